use crate::cli::Cli;
use clap::{CommandFactory as _, Parser as _};

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_missing_command_is_a_usage_error() {
    assert_eq!(Cli::try_parse_from(["yunhe"]).unwrap_err().exit_code(), 2);
}

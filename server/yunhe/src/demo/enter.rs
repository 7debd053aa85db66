//! How people come in: each changes the first password, the administrators enrol a second factor, and all sign in.

use super::people::Seat;
use super::stage::Stage;
use crate::exit::file_problem;
use crate::output::cell;
use jiff::ToSpan as _;
use node::{Clock as _, SystemClock};
use vocabulary::{Kind, Problem};

/// The password that everybody in the demo chooses.
const PASSWORD: &str = "长江 runs to the sea 7";

/// The three administrators of an organisation come in; their sessions are saved under their names.
///
/// # Errors
/// What goes wrong.
pub async fn administrators(stage: &Stage, seat: Seat) -> Result<(), Problem> {
    for (_, _, name) in node::OFFICES {
        let seat = seat.with(name);
        let file = stage.process(seat.place).folder.join(seat.organisation).join("first").join(name);
        let first = std::fs::read_to_string(&file).map_err(|it| file_problem(&file, &it))?;
        change(stage, seat, &first).await?;
        let begun = stage.tell(seat, &["user", "enrol", name], &[PASSWORD]).await?;
        let secret = identity::totp::from_base32(&cell::at(stage.voice, &begun, "/secret")).ok_or_else(|| {
            Problem::new(Kind::Internal, "demo.secret", "动态口令密钥无法读懂", "the secret cannot be read")
        })?;
        let now = SystemClock.now();
        let code = identity::totp::code(&secret, now);
        stage.tell(seat, &["user", "confirm", name], &[PASSWORD, &code]).await?;
        // The code that confirmed is spent: the next one opens.
        let next = now.saturating_add(identity::totp::STEP_SECONDS.seconds()).unwrap_or(now);
        let next = identity::totp::code(&secret, next);
        stage.tell(seat, &["user", "sign-in", name, "--save", name], &[PASSWORD, &next]).await?;
    }
    Ok(())
}

/// Somebody whose account was opened comes in.
///
/// # Errors
/// What goes wrong.
pub async fn person(stage: &Stage, seat: Seat, first: &str) -> Result<(), Problem> {
    change(stage, seat, first).await?;
    let name = seat.token;
    stage.tell(seat, &["user", "sign-in", name, "--save", name], &[PASSWORD]).await?;
    Ok(())
}

async fn change(stage: &Stage, seat: Seat, first: &str) -> Result<(), Problem> {
    stage.tell(seat, &["user", "change-password", seat.token], &[first, PASSWORD]).await?;
    Ok(())
}

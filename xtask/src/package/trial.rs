//! The trial: verifies the archive by its signature, unpacks it into an empty folder, and runs the commands of its own
//! README in a network namespace of its own, which has a loopback device and nothing else.

use super::failed;
use crate::failure::Failure;
use crate::place;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Proves that there is no network, then runs the README's commands, for five minutes at most.
const ENTER: &str = "\
set -eu
ip link set lo up
test \"$(ip -o link show | wc -l)\" = 1 || { echo 'there is a network here'; exit 1; }
exec timeout --kill-after=5 300 bash -eu README.sh";

/// The commands of the README's `sh` blocks.
fn commands(readme: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => text.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    text
}

/// Runs it.
///
/// # Errors
/// Where the signature does not verify or a command of the README fails.
pub fn run(out: &Path, archive: &Path) -> Result<(), Failure> {
    let verify = "openssl pkeyutl -verify -pubin -inkey yunhe-package.pub -rawin -in SHA256SUMS -sigfile \
                  SHA256SUMS.sig && sha256sum --check SHA256SUMS";
    place::finished(Command::new("sh").args(["-c", verify]).current_dir(out), "verify")?;
    let home = out.join("trial");
    super::remove(&home)?;
    fs::create_dir_all(&home).map_err(failed(&home))?;
    let mut unpack = Command::new("tar");
    unpack.args(["--strip-components=1", "-xzf"]).arg(archive).arg("-C").arg(&home);
    place::finished(&mut unpack, "tar")?;
    let mut may = Command::new("unshare");
    if !may.args(["--map-root-user", "--net", "true"]).status().is_ok_and(|it| it.success()) {
        println!("此处不允许新建网络命名空间，未试用 no namespace may be made here: verified, unpacked, not tried");
        return Ok(());
    }
    let readme = home.join("README.md");
    let readme = fs::read_to_string(&readme).map_err(failed(&readme))?;
    let script = home.join("README.sh");
    // Job control, so that `kill %1` means the node.
    fs::write(&script, format!("set -m\n{}", commands(&readme))).map_err(failed(&script))?;
    let mut enter = Command::new("unshare");
    enter.args(["--map-root-user", "--net", "sh", "-c", ENTER]).current_dir(&home);
    place::finished(&mut enter, "README.md, without a network")?;
    println!("✓ 已在无网络的空目录中按其 README 安装并运行 installed and run by its own README, without a network");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Chinese page is as good as the English one, and what was tried is what either says.
    #[test]
    fn both_pages_give_the_same_commands() {
        let [en, zh] = ["README.md", "README.zh.md"].map(|it| {
            let page = place::root().join("deploy").join(it);
            commands(&fs::read_to_string(&page).expect("the page"))
        });
        assert!(en.contains("yunhe doctor"), "{en}");
        assert_eq!(en, zh);
    }

    #[test]
    fn only_what_stands_in_blocks_of_commands_is_run() {
        let readme = "# A\n```sh\none\ntwo\n```\ntext\n```toml\nx = 1\n```\n    indented\n```sh\nthree\n```\n";
        assert_eq!(commands(readme), "one\ntwo\nthree\n");
    }
}

//! `cargo xtask package`: one signed archive per architecture, the same bytes each time, installed without a network.

mod bill;
mod trial;

use crate::failure::Failure;
use crate::place;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask package [--profile release|fast|dev] [--binary FILE] [--key FILE] [--out DIR] [--trial]

制作安装包 yunhe-<版本>-linux-<架构>.tar.gz：程序、数据包、文档、物料清单、许可证、systemd 单元、安装脚本；
附 SHA256SUMS、签名与公钥。同一程序两次所得逐字节相同。
Makes the archive: program, packs, documents, bill of materials, licences, systemd unit, install script; with
SHA256SUMS, its signature and the public key. The same program gives the same bytes.

  --profile NAME  编译配置（默认 release） how the program is built (release by default)
  --binary FILE   用已编译的程序 pack a program that is built already
  --key FILE      签名私钥（Ed25519，PEM）；没有则新建于输出目录 signs; made in the output folder where none is named
  --out DIR       输出目录（默认 target/package） where to
  --trial         随后在没有网络的命名空间内按其 README 安装并运行
                  then installs it and runs it by its own README, in a namespace without a network
";

/// How it is called.
#[derive(Debug, Default)]
struct Options {
    profile: Option<String>,
    binary: Option<PathBuf>,
    key: Option<PathBuf>,
    out: Option<PathBuf>,
    trial: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| Failure::unknown(argument, "package"));
            match argument.as_str() {
                "--profile" => options.profile = Some(value()?),
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                "--key" => options.key = Some(PathBuf::from(value()?)),
                "--out" => options.out = Some(PathBuf::from(value()?)),
                "--trial" => options.trial = true,
                _ => return Err(Failure::unknown(argument, "package")),
            }
        }
        Ok(options)
    }
}

/// Makes the archive.
///
/// # Errors
/// Where a build, a tool or the trial fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = Options::read(arguments)?;
    let binary = match (options.binary, options.profile.as_deref().unwrap_or("release")) {
        (Some(binary), _) => binary,
        // What the tests have built already.
        (None, "dev") => place::build_as_tested("processes")?.join("yunhe"),
        (None, profile) => place::build(&["yunhe"], profile)?.join("yunhe"),
    };
    let out = options.out.unwrap_or_else(|| place::target().join("package"));
    let bill = bill::Bill::read()?;
    let name = format!("yunhe-{}-linux-{}", bill.version(), std::env::consts::ARCH);
    let folder = out.join(&name);
    remove(&folder)?;
    fill(&folder, &binary, &bill)?;
    let archive = out.join(format!("{name}.tar.gz"));
    pack(&out, &name, &archive)?;
    sign(&out, &archive, options.key.as_deref())?;
    println!("{}", archive.display());
    if options.trial { trial::run(&out, &archive) } else { Ok(()) }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::io(&path, error)
}

fn remove(folder: &Path) -> Result<(), Failure> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(failed(folder)) } else { Ok(()) }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if from.is_dir() {
        fs::create_dir_all(to).map_err(failed(to))?;
        for entry in fs::read_dir(from).map_err(failed(from))? {
            let entry = entry.map_err(failed(from))?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    fs::copy(from, to).map(|_| ()).map_err(failed(from))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(failed(path))
}

/// What the archive holds.
fn fill(folder: &Path, binary: &Path, bill: &bill::Bill) -> Result<(), Failure> {
    let root = place::root();
    copy(binary, &folder.join("bin/yunhe"))?;
    for name in ["packs", "docs"] {
        copy(&root.join(name), &folder.join(name))?;
    }
    for name in ["install.sh", "README.md", "README.zh.md", "yunhe.example.toml", "Containerfile"] {
        copy(&root.join("deploy").join(name), &folder.join(name))?;
    }
    copy(&root.join("deploy/yunhe.service"), &folder.join("systemd/yunhe.service"))?;
    for name in ["CHANGELOG.md", "SECURITY.md"] {
        copy(&root.join(name), &folder.join(name))?;
    }
    write(&folder.join("VERSION"), &format!("{}\n", bill.version()))?;
    write(&folder.join("sbom.cdx.json"), &bill.cyclonedx())?;
    bill.licences(&folder.join("LICENSES"))?;
    // Symbols are of no use where there is no source; a binary without them is a third of the size.
    place::finished(Command::new("strip").arg(folder.join("bin/yunhe")), "strip")?;
    let sums = "find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z | xargs -0 sha256sum > SHA256SUMS";
    place::finished(Command::new("sh").args(["-c", sums]).current_dir(folder), "sha256sum")
}

/// The moment that every file of the archive bears: the commit's, unless `SOURCE_DATE_EPOCH` says another.
fn epoch() -> String {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    let digits = |it: &String| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    set.filter(digits).unwrap_or_else(|| {
        let asked = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(place::root()).output();
        let told = asked.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default();
        if digits(&told) { told } else { "0".to_owned() }
    })
}

/// Names in one order, one owner, one time, fixed modes: nothing of this machine or this hour gets in.
fn pack(out: &Path, name: &str, archive: &Path) -> Result<(), Failure> {
    let tar = archive.with_extension("");
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    command.args(["--mode=u=rwX,go=rX"]).arg(format!("--mtime=@{}", epoch()));
    command.arg("-C").arg(out).arg("-cf").arg(&tar).arg(name);
    place::finished(&mut command, "tar")?;
    place::finished(Command::new("gzip").args(["-n", "-9", "-f"]).arg(&tar), "gzip")
}

/// `SHA256SUMS` beside the archive, its signature, and the public key.
fn sign(out: &Path, archive: &Path, key: Option<&Path>) -> Result<(), Failure> {
    let own = out.join("yunhe-package.pem");
    let key = key.map_or_else(|| own.clone(), Path::to_path_buf);
    if !key.exists() {
        let mut make = Command::new("sh");
        make.args(["-c", "umask 077 && openssl genpkey -algorithm ed25519 -out \"$0\""]).arg(&key);
        place::finished(&mut make, "openssl genpkey")?;
        println!("新建签名密钥，请离线保存 a new signing key, keep it offline: {}", key.display());
    }
    let name = archive.file_name().unwrap_or_default();
    let mut sums = Command::new("sh");
    sums.args(["-c", "sha256sum \"$0\" > SHA256SUMS"]).arg(name).current_dir(out);
    place::finished(&mut sums, "sha256sum")?;
    let mut sign = Command::new("openssl");
    sign.args(["pkeyutl", "-sign", "-rawin", "-inkey"]).arg(&key);
    sign.args(["-in", "SHA256SUMS", "-out", "SHA256SUMS.sig"]).current_dir(out);
    place::finished(&mut sign, "openssl pkeyutl")?;
    let mut public = Command::new("openssl");
    public.args(["pkey", "-pubout", "-in"]).arg(&key).args(["-out", "yunhe-package.pub"]).current_dir(out);
    place::finished(&mut public, "openssl pkey")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    /// Two archives of one program are the same, byte for byte, whenever and from wherever they are packed.
    #[test]
    fn the_same_program_gives_the_same_archive() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sums = Vec::new();
        for (out, age) in [("one", 1), ("other", 1_000_000)] {
            let out = folder.path().join(out);
            let inner = out.join("yunhe-0");
            fs::create_dir_all(inner.join("b")).expect("a folder");
            for name in ["c", "a", "b/d"] {
                fs::write(inner.join(name), name).expect("a file");
                let file = File::options().write(true).open(inner.join(name)).expect("the file");
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).expect("its time");
            }
            let archive = out.join("yunhe-0.tar.gz");
            pack(&out, "yunhe-0", &archive).expect("packed");
            sums.push(fs::read(&archive).expect("the archive"));
        }
        assert_eq!(sums[0], sums[1]);
    }

    #[test]
    fn what_is_signed_verifies_with_openssl_alone_and_a_changed_byte_does_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = folder.path().join("a.tar.gz");
        fs::write(&archive, "archive").expect("a file");
        sign(folder.path(), &archive, None).expect("signed");
        let verifies = || {
            let text = "openssl pkeyutl -verify -pubin -inkey yunhe-package.pub -rawin -in SHA256SUMS \
                        -sigfile SHA256SUMS.sig && sha256sum --quiet --check SHA256SUMS";
            let mut command = Command::new("sh");
            command.args(["-c", text]).current_dir(folder.path());
            command.output().expect("sh").status.success()
        };
        assert!(verifies());
        fs::write(&archive, "archivf").expect("a file");
        assert!(!verifies());
        let sums = folder.path().join("SHA256SUMS");
        let text = fs::read_to_string(&sums).expect("sums");
        fs::write(&sums, text.replace('a', "b")).expect("a file");
        assert!(!verifies());
    }
}

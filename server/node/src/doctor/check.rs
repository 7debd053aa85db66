//! What the facts mean. Pure: each check looks at facts alone and says what is wrong, how grave it is, and which
//! command mends it. What is in order is not mentioned.

use super::facts::{Facts, OrganisationFacts, PEPPER};
use serde::Serialize;
use std::collections::BTreeMap;
use vocabulary::{Bilingual, Timestamp};

/// Clocks may differ by half of this before it is worth a warning, and by all of it before messages are refused.
const CLOCK_MILLIS_MAX: i64 = 300_000;
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Of a hundred.
const FREE_SHARE_MIN: u64 = 10;
const SYNC_MICROS_MAX: u64 = 20_000;
const MEMORY_BYTES_MIN: u64 = 512 << 20;
const OPEN_FILES_MIN: u64 = 8_192;
/// Leaves or entries that may wait.
const WAITING_MAX: u64 = 10_000;
const CERTIFICATE_DAYS_MIN: f64 = 30.0;
const BACKUP_DAYS_MAX: i64 = 7;
/// The first version that the tests run on, as PostgreSQL counts.
const POSTGRES_MIN: u32 = 140_000;
/// Connections that one organisation takes.
const CONNECTIONS_EACH: u64 = 16;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// To be mended in the next days.
    Warning,
    /// The node cannot do its work, or data are in danger.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// Which check.
    pub check: &'static str,
    /// Of which organisation, if of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// What is so.
    pub fact: Bilingual,
    /// What to do.
    pub remedy: Bilingual,
}

struct Book {
    organisation: Option<String>,
    findings: Vec<Finding>,
}

impl Book {
    fn note(&mut self, severity: Severity, check: &'static str, fact: (String, String), remedy: (String, String)) {
        let bilingual = |(zh, en): (String, String)| Bilingual::new(zh, en);
        let (fact, remedy) = (bilingual(fact), bilingual(remedy));
        self.findings.push(Finding { severity, check, organisation: self.organisation.clone(), fact, remedy });
    }
}

/// Both languages of a sentence, the values in both.
macro_rules! both {
    ($zh:literal, $en:literal) => {
        (format!($zh), format!($en))
    };
}

use Severity::{Error, Note, Warning};

/// Everything that is wrong, the gravest first.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut book = Book { organisation: None, findings: Vec::new() };
    machine(facts, &mut book);
    disk(facts, &mut book);
    ports(facts, &mut book);
    for one in &facts.organisations {
        book.organisation = Some(one.id.clone());
        keys(one, &mut book);
        database(one, facts.organisations.len() as u64, &mut book);
        log(one, &mut book);
        membership(one, &mut book);
        clock(one, &mut book);
        backup(one, facts.now, &mut book);
        packs(one, &mut book);
        if let Some(figures) = &facts.figures {
            running(one, figures, &mut book);
        }
    }
    book.findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
    book.findings
}

fn machine(facts: &Facts, book: &mut Book) {
    let machine = &facts.machine;
    let architecture = &machine.architecture;
    if architecture != "x86_64" {
        book.note(
            if architecture == "aarch64" { Note } else { Warning },
            "machine.architecture",
            both!(
                "处理器架构为 {architecture}，发布前的测试在 x86_64 上进行",
                "the processor is {architecture}; releases are tested on x86_64"
            ),
            both!(
                "在本机运行 cargo xtask test，见 docs/decisions/0016",
                "run cargo xtask test on this machine; see docs/decisions/0016"
            ),
        );
    }
    let mebibytes = machine.memory_bytes >> 20;
    if machine.memory_bytes > 0 && machine.memory_bytes < MEMORY_BYTES_MIN {
        book.note(
            Warning,
            "machine.memory",
            both!("内存仅 {mebibytes} MiB", "there are only {mebibytes} MiB of memory"),
            both!(
                "增至 512 MiB 以上，见 docs/operate/sizing.md",
                "give it 512 MiB or more; see docs/operate/sizing.md"
            ),
        );
    }
    let files = machine.open_files;
    if files < OPEN_FILES_MIN {
        book.note(
            Warning,
            "machine.open_files",
            both!(
                "一个进程至多打开 {files} 个文件，连接多时不够",
                "a process may open {files} files, too few for many connections"
            ),
            both!(
                "systemd 单元中设 LimitNOFILE=65536，或 ulimit -Hn 65536",
                "set LimitNOFILE=65536 in the systemd unit, or ulimit -Hn 65536"
            ),
        );
    }
}

fn disk(facts: &Facts, book: &mut Book) {
    let place = &facts.place;
    let (free, share) = (place.free_bytes >> 20, place.free_bytes * 100 / place.total_bytes.max(1));
    if place.free_bytes < FREE_BYTES_MIN || share < FREE_SHARE_MIN {
        book.note(
            if place.free_bytes < FREE_BYTES_MIN { Error } else { Warning },
            "disk.space",
            both!("数据盘剩余 {free} MiB（{share}%）", "{free} MiB ({share} %) are free where the data are"),
            both!(
                "清理旧备份与日志，或扩容：df -h；du -xsh * | sort -h",
                "move old backups and logs away or enlarge the disk: df -h; du -xsh * | sort -h"
            ),
        );
    }
    let why = &place.why;
    match place.sync_micros {
        None => book.note(
            Error,
            "disk.write",
            both!("数据目录不可写：{why}", "nothing can be written into the data folder: {why}"),
            both!(
                "以运行节点的用户检查：ls -ld DIR；mount | grep ro；df -i",
                "look as the user who runs the node: ls -ld DIR; mount | grep ro; df -i"
            ),
        ),
        Some(micros) if micros > SYNC_MICROS_MAX => {
            let millis = micros / 1_000;
            book.note(
                Warning,
                "disk.sync",
                both!(
                    "一次落盘需 {millis} 毫秒，每次写入都要等待",
                    "making a write durable takes {millis} ms, and every write waits for it"
                ),
                both!(
                    "把数据目录移到固态盘，勿用网络盘；用 fio --fdatasync=1 复测",
                    "move the data folder to a solid-state disk, not a network one; measure with fio --fdatasync=1"
                ),
            );
        }
        Some(_) => {}
    }
}

fn ports(facts: &Facts, book: &mut Book) {
    if facts.figures.is_none() {
        book.note(
            Note,
            "node.stopped",
            both!("节点没有运行", "the node does not run"),
            both!(
                "yunhe serve --data DIR，或 systemctl start yunhe",
                "yunhe serve --data DIR, or systemctl start yunhe"
            ),
        );
    }
    for (address, why) in &facts.ports {
        let Some(why) = why else { continue };
        book.note(
            Error,
            "node.port",
            both!("无法监听 {address}：{why}", "nobody can listen on {address}: {why}"),
            both!(
                "查看占用者：ss -ltnp；或在 yunhe.toml 中换一个",
                "see who does: ss -ltnp; or choose another in yunhe.toml"
            ),
        );
    }
}

fn keys(one: &OrganisationFacts, book: &mut Book) {
    let id = &one.id;
    for (name, mode) in &one.keys {
        match mode {
            None if name == PEPPER => book.note(
                Warning,
                "keys.pepper",
                both!(
                    "没有 {name}：以它存下的密码都将无法通过",
                    "there is no {name}: no password that was kept with it will open anything"
                ),
                both!(
                    "从备份放回 {id}/keys 后再启动；自 0.1 版升级而来的，首次启动时生成",
                    "put it back into {id}/keys from a backup before the node starts; after release 0.1 the first \
                     start makes it"
                ),
            ),
            None => book.note(
                Error,
                "keys.missing",
                both!("缺少密钥文件 {name}", "key file {name} is missing"),
                both!(
                    "从备份放回 {id}/keys：yunhe restore --help",
                    "put it back into {id}/keys from a backup: yunhe restore --help"
                ),
            ),
            Some(mode) if mode & 0o007 != 0 => book.note(
                Error,
                "keys.exposed",
                both!("其他用户可读取密钥 {name}（{mode:o}）", "other users may read key {name} ({mode:o})"),
                both!(
                    "chmod 600 {id}/keys/{name}，并考虑更换密钥",
                    "chmod 600 {id}/keys/{name}, and consider a new key"
                ),
            ),
            Some(_) => {}
        }
    }
    if let Some(problem) = &one.keys_problem {
        let (zh, en) = (&problem.detail.zh, &problem.detail.en);
        book.note(
            Error,
            "keys.unusable",
            both!("{zh}", "{en}"),
            both!("见 docs/operate/keys.md", "see docs/operate/keys.md"),
        );
    }
}

fn database(one: &OrganisationFacts, organisations: u64, book: &mut Book) {
    let settings = match &one.database {
        Some(Ok(settings)) => settings,
        Some(Err(problem)) => {
            let (code, zh, en) = (&problem.code, &problem.detail.zh, &problem.detail.en);
            return book.note(
                Error,
                "database.away",
                both!("数据库不可用（{code}）：{zh}", "the database cannot be used ({code}): {en}"),
                both!(
                    "核对 yunhe.toml 的 database，并用 psql 试连；文件库查看权限",
                    "check database in yunhe.toml and try psql; for a file look at its permissions"
                ),
            );
        }
        None => return,
    };
    for name in ["fsync", "full_page_writes"] {
        if settings.get(name).is_some_and(|it| it == "off") {
            book.note(
                Error,
                "database.durability",
                both!(
                    "PostgreSQL 的 {name} 已关闭：断电会丢失已确认的数据",
                    "PostgreSQL has {name} off: a power cut loses what was confirmed"
                ),
                both!(
                    "ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
                    "ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
                ),
            );
        }
    }
    if let Some(encoding) = settings.get("encoding").filter(|it| !["UTF8", "UTF-8"].contains(&it.as_str())) {
        book.note(
            Error,
            "database.encoding",
            both!("数据库编码为 {encoding}，应为 UTF8", "the database's encoding is {encoding}, it must be UTF8"),
            both!("新建：createdb -E UTF8 -T template0 yunhe", "make one: createdb -E UTF8 -T template0 yunhe"),
        );
    }
    let number = |name: &str| settings.get(name).and_then(|it| it.parse::<u64>().ok());
    if let Some(version) = number("server_version_num").filter(|it| *it < u64::from(POSTGRES_MIN)) {
        book.note(
            Warning,
            "database.version",
            both!("PostgreSQL 版本过旧（{version}）", "this PostgreSQL is old ({version})"),
            both!("升级到 14 以上", "raise it to 14 or later"),
        );
    }
    let needed = CONNECTIONS_EACH * organisations + 5;
    if let Some(most) = number("max_connections").filter(|it| *it < needed) {
        book.note(
            Warning,
            "database.connections",
            both!(
                "PostgreSQL 至多 {most} 个连接，本节点最多用 {needed} 个",
                "PostgreSQL takes {most} connections, this node may use {needed}"
            ),
            both!(
                "ALTER SYSTEM SET max_connections = {needed}; 然后重启 PostgreSQL",
                "ALTER SYSTEM SET max_connections = {needed}; then restart PostgreSQL"
            ),
        );
    }
}

fn log(one: &OrganisationFacts, book: &mut Book) {
    let waiting = one.waiting;
    if waiting > WAITING_MAX {
        book.note(
            if waiting > 10 * WAITING_MAX { Error } else { Warning },
            "log.backlog",
            both!("{waiting} 个叶等待入日志", "{waiting} leaves wait for their place in the log"),
            both!(
                "节点须运行；查看 yunhe_job_failing{{job=\"sequence\"}} 与数据库负载",
                "the node must run; look at yunhe_job_failing{{job=\"sequence\"}} and the database's load"
            ),
        );
    }
    let unnumbered = one.unnumbered;
    if u64::try_from(unnumbered).unwrap_or(0) > WAITING_MAX {
        book.note(
            Warning,
            "feed.backlog",
            both!("{unnumbered} 条变更等待编号", "{unnumbered} changes wait for their number"),
            both!("节点须运行；查看作业 sequence", "the node must run; look at its job sequence"),
        );
    }
    if let Some(untold) = one.untold {
        book.note(
            Warning,
            "restore.reclaiming",
            both!(
                "恢复后尚有 {untold} 个成员未告知所持回执，暂不向其交付",
                "since the restore {untold} members have not told what they hold; they get no deliveries"
            ),
            both!("等待其节点恢复应答；查看作业 reclaim", "wait until their nodes answer; look at the job reclaim"),
        );
    }
}

fn membership(one: &OrganisationFacts, book: &mut Book) {
    match one.view_hours {
        None => {
            if matches!(one.database, Some(Ok(_))) {
                book.note(
                    Warning,
                    "membership.none",
                    both!("尚未加入联邦", "no federation was joined"),
                    both!("yunhe federation join GENESIS --log MEMBERS", "yunhe federation join GENESIS --log MEMBERS"),
                );
            }
            return;
        }
        Some((hours, most)) if hours * 2 > most => book.note(
            if hours > most { Error } else { Warning },
            "membership.age",
            both!(
                "成员视图已 {hours} 小时未确认，至多 {most} 小时",
                "membership was confirmed {hours} h ago, {most} h are allowed"
            ),
            both!("检查到枢纽的网络；节点须运行", "see that the hub can be reached; the node must run"),
        ),
        Some(_) => {}
    }
    if !one.log_announced {
        let id = &one.id;
        book.note(
            Error,
            "membership.log",
            both!(
                "成员日志所载的本单位存证日志不是现用的一部，不能交付",
                "membership does not name our log as it is: nothing can be delivered"
            ),
            both!(
                "yunhe federation rotate {id}/card.json --log members.json --out entry.json，由创始成员签署并提交",
                "yunhe federation rotate {id}/card.json --log members.json --out entry.json; founders sign and submit"
            ),
        );
    }
}

fn clock(one: &OrganisationFacts, book: &mut Book) {
    let offsets: Vec<i64> = one.members.values().filter_map(|it| it.as_ref().ok().copied()).collect();
    let mut sorted = offsets.clone();
    sorted.sort_unstable();
    let Some(middle) = sorted.get(sorted.len() / 2).copied() else {
        for (member, problem) in one.members.iter().filter_map(|(id, it)| Some((id, it.as_ref().err()?))) {
            let (zh, en) = (&problem.detail.zh, &problem.detail.en);
            book.note(
                Warning,
                "peer.silent",
                both!("{member} 无应答：{zh}", "{member} does not answer: {en}"),
                both!("检查网络与防火墙：nc -vz 主机 端口", "look at network and firewall: nc -vz HOST PORT"),
            );
        }
        return;
    };
    if middle.abs() * 2 > CLOCK_MILLIS_MAX {
        let seconds = middle / 1_000;
        book.note(
            if middle.abs() > CLOCK_MILLIS_MAX { Error } else { Warning },
            "clock.offset",
            both!(
                "本机时钟与其他成员相差 {seconds} 秒，超过 300 秒即被拒绝",
                "our clock and the members' differ by {seconds} s; past 300 s messages are refused"
            ),
            both!(
                "timedatectl set-ntp true；内网用 chrony 指向本地时源：chronyc sources",
                "timedatectl set-ntp true; inside a closed network point chrony to its source: chronyc sources"
            ),
        );
    }
}

fn backup(one: &OrganisationFacts, now: Timestamp, book: &mut Book) {
    let days = one.backup_at.map(|it| (now.as_second() - it.as_second()) / 86_400);
    match days {
        Some(days) if days <= BACKUP_DAYS_MAX => {}
        Some(days) => book.note(
            Warning,
            "backup.age",
            both!("最近一次备份在 {days} 天前", "the last backup was made {days} days ago"),
            both!(
                "yunhe backup /backup/$(date +%F) --data DIR，并设定时任务（docs/operate/backup.md）",
                "yunhe backup /backup/$(date +%F) --data DIR, and by a timer (docs/operate/backup.md)"
            ),
        ),
        None => book.note(
            Warning,
            "backup.none",
            both!("从未备份", "no backup was ever made"),
            both!(
                "yunhe backup /backup/$(date +%F) --data DIR，见 docs/operate/backup.md",
                "yunhe backup /backup/$(date +%F) --data DIR; see docs/operate/backup.md"
            ),
        ),
    }
}

fn packs(one: &OrganisationFacts, book: &mut Book) {
    for finding in &one.packs {
        book.note(
            Warning,
            "packs.finding",
            both!("已安装的数据包有误：{finding}", "an installed pack has a finding: {finding}"),
            both!(
                "yunhe pack check DIR，改正后 yunhe pack install DIR",
                "yunhe pack check DIR; mend it, then yunhe pack install DIR"
            ),
        );
    }
}

/// What the running node says of itself.
fn running(one: &OrganisationFacts, figures: &BTreeMap<String, f64>, book: &mut Book) {
    let id = &one.id;
    let certificate = figures.get(&format!("yunhe_certificate_days{{organisation=\"{id}\"}}"));
    if let Some(days) = certificate.filter(|it| **it < CERTIFICATE_DAYS_MIN) {
        book.note(
            if *days < 0.0 { Error } else { Warning },
            "certificate.expiry",
            both!(
                "证书还有 {days:.0} 天到期；作业 keys 未能更新",
                "the certificate ends in {days:.0} days; the job keys has not renewed it"
            ),
            both!("查看节点日志；重启节点亦会更新", "see the node's log; starting the node anew renews it as well"),
        );
    }
    let prefix = format!("yunhe_job_failing{{organisation=\"{id}\",job=\"");
    for (name, failing) in figures.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
        if *failing > 0.0 {
            let job = name[prefix.len()..].trim_end_matches("\"}");
            book.note(
                Warning,
                "job.failing",
                both!("作业 {job} 连续失败 {failing} 次", "job {job} has failed {failing} times in a row"),
                both!(
                    "节点日志中查找 job={job}：journalctl -u yunhe | grep job={job}",
                    "look for job={job} in the node's log: journalctl -u yunhe | grep job={job}"
                ),
            );
        }
    }
}

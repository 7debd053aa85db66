//! What an entry must be, and which change of a peer is taken over.
//!
//! Pure. Invariants, each with a test:
//! - every flaw is told at once, each with its place and its remedy;
//! - an entry's grade is the highest of its items', and says nothing about how it is shared;
//! - a change is taken over once, however often it is sent, and never over the organisation's own entries.

use crate::{Class, Entry, Method};
use policy::Sharing;
use schema::{Flaw, Grade};
use vocabulary::{Bilingual, Date, Kind, OrganisationId, Problem};

/// An entry has at most this many items.
pub const ITEMS_MAX: usize = 500;
/// An abstract has at most this many characters in each language.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// An entry has at most this many keywords, formats and relations, of [`WORD_CHARS_MAX`] characters each.
pub const WORDS_MAX: usize = 30;
/// A keyword has at most this many characters.
pub const WORD_CHARS_MAX: usize = 40;
/// A published entry has at most this many bytes as JSON.
pub const ENTRY_BYTES_MAX: usize = 256 * 1024;

/// Marks that a state secret carries (密级标志): such a thing may not even be described here.
const SECRET_MARKS: [&str; 3] = ["绝密★", "机密★", "秘密★"];

/// Whether a code has the structure of the guide: class (1 digit), item (2), subject (3), detail (1 to 5), a slash and
/// a serial number of 1 to 8 digits.
pub fn code_is_formed(code: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    code.split_once('/').is_some_and(|(front, serial)| {
        (7..=11).contains(&front.len())
            && matches!(front.as_bytes()[0], b'1'..=b'3')
            && digits(front)
            && (1..=8).contains(&serial.len())
            && digits(serial)
    })
}

/// The parts of a formed code: 类、项、目、细目 and the serial number.
pub fn code_parts(code: &str) -> Option<[&str; 5]> {
    let (front, serial) = code.split_once('/').filter(|_| code_is_formed(code))?;
    Some([&front[..1], &front[1..3], &front[3..6], &front[6..], serial])
}

/// Everything that is wrong with an entry that is to stand in the catalogue on `today`; empty when all is well.
pub fn flaws(entry: &Entry, today: Date) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    names(entry, &mut flaws);
    code(entry, &mut flaws);
    contents(entry, &mut flaws);
    sharing(entry, &mut flaws);
    openness(entry, &mut flaws);
    grade(entry, &mut flaws);
    if entry.published > today {
        flaws.push(Flaw::new(
            "/published",
            format!("发布日期 {} 晚于今日 {today}", entry.published),
            format!("the publication date {} is after today, {today}", entry.published),
            "写今日或更早的日期",
            "write today or an earlier day",
        ));
    }
    flaws
}

/// All flaws as one problem `catalog.entry` that points at the first and lists each under `flaws`.
pub fn problem(entry: &Entry, flaws: &[Flaw]) -> Problem {
    let all = schema::flaws_problem(flaws);
    let zh = format!("目录条目 {} 不合规：{}", entry.entry, all.detail.zh);
    let en = format!("catalogue entry {} is not in order: {}", entry.entry, all.detail.en);
    let problem = Problem::new(Kind::Unprocessable, "catalog.entry", zh, en).with("flaws", serde_json::json!(flaws));
    match flaws.first() {
        Some(first) => problem.field(first.pointer.clone()),
        None => problem,
    }
}

fn text(pointer: &str, text: &Bilingual, max: usize, flaws: &mut Vec<Flaw>) {
    let fits = |it: &str| !it.trim().is_empty() && it.chars().count() <= max;
    if !fits(&text.zh) || !fits(&text.en) {
        flaws.push(Flaw::new(
            pointer,
            "文字为空或过长",
            "the text is empty or too long",
            format!("中英文各写 1–{max} 个字符"),
            format!("write 1 to {max} characters in each language"),
        ));
    }
}

fn names(entry: &Entry, flaws: &mut Vec<Flaw>) {
    flaws.extend(Flaw::title("/title", &entry.title));
    text("/provider", &entry.provider, schema::TITLE_CHARS_MAX, flaws);
    text("/description", &entry.description, DESCRIPTION_CHARS_MAX, flaws);
    if let Some(code) = &entry.provider_code
        && schema::org_code::check_uscc(code).is_err()
    {
        flaws.push(Flaw::new(
            "/provider_code",
            format!("提供方代码“{code}”不是统一社会信用代码"),
            format!("the provider's code {code:?} is no unified social credit code"),
            "写 18 位统一社会信用代码（GB 32100），校验位须正确",
            "write the 18 characters of GB 32100 with the right check character",
        ));
    }
    let told = [&entry.title, &entry.description];
    if told.iter().any(|it| SECRET_MARKS.iter().any(|mark| it.zh.contains(mark))) {
        flaws.push(Flaw::new(
            "/title",
            "带有国家秘密标志",
            "carries the mark of a state secret",
            "国家秘密不得进入本系统，请撤下并报保密部门",
            "state secrets may not enter; take it out and tell the secrecy office",
        ));
    }
}

fn code(entry: &Entry, flaws: &mut Vec<Flaw>) {
    let digit = entry.class.digit();
    if !code_is_formed(&entry.code) || !entry.code.starts_with(digit) {
        flaws.push(Flaw::new(
            "/code",
            format!("信息资源代码“{}”不合结构", entry.code),
            format!("the code {:?} is not formed", entry.code),
            format!("写 {digit} 开头的类 1 位、项 2 位、目 3 位、细目 1–5 位，斜线后顺序号 1–8 位，如 {digit}02001001/000001"),
            format!(
                "write {digit}, 2 digits of item, 3 of subject, 1 to 5 of detail, a slash and 1 to 8 digits of serial"
            ),
        ));
    }
}

fn contents(entry: &Entry, flaws: &mut Vec<Flaw>) {
    if entry.items.is_empty() || entry.items.len() > ITEMS_MAX {
        flaws.push(Flaw::new(
            "/items",
            format!("有 {} 个信息项", entry.items.len()),
            format!("has {} items", entry.items.len()),
            format!("列出 1–{ITEMS_MAX} 个信息项"),
            format!("list 1 to {ITEMS_MAX} items"),
        ));
    }
    for (at, item) in entry.items.iter().enumerate() {
        flaws.extend(Flaw::title(&format!("/items/{at}/title"), &item.title));
    }
    let format = |it: &String| {
        (1..=16).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if entry.formats.is_empty() || entry.formats.len() > WORDS_MAX || !entry.formats.iter().all(format) {
        flaws.push(Flaw::new(
            "/formats",
            "没有格式，或格式名有误",
            "no format, or one that is not named rightly",
            "写一个以上小写格式名，如 csv、json、parquet",
            "name one or more formats in lower case, such as csv, json, parquet",
        ));
    }
    let word = |it: &String| !it.trim().is_empty() && it.chars().count() <= WORD_CHARS_MAX;
    if entry.keywords.len() > WORDS_MAX || !entry.keywords.iter().all(word) {
        flaws.push(Flaw::new(
            "/keywords",
            "关键词过多、过长或为空",
            "too many keywords, or an empty or overlong one",
            format!("至多 {WORDS_MAX} 个，每个 1–{WORD_CHARS_MAX} 个字符"),
            format!("at most {WORDS_MAX}, of 1 to {WORD_CHARS_MAX} characters each"),
        ));
    }
    if entry.related.len() > WORDS_MAX || entry.related.contains(&entry.entry) {
        flaws.push(Flaw::new(
            "/related",
            "关联过多，或关联了自己",
            "too many relations, or one to itself",
            format!("至多关联 {WORDS_MAX} 个其他条目"),
            format!("relate at most {WORDS_MAX} other entries"),
        ));
    }
}

fn sharing(entry: &Entry, flaws: &mut Vec<Flaw>) {
    let condition = entry.condition.as_ref().filter(|it| !it.zh.trim().is_empty() && !it.en.trim().is_empty());
    match entry.share {
        Sharing::Unconditional if entry.condition.is_some() => flaws.push(Flaw::new(
            "/condition",
            "无条件共享却写有条件",
            "shared without condition, yet one is written",
            "删去 condition，或改为 share: conditional",
            "remove condition, or write share: conditional",
        )),
        Sharing::Conditional if condition.is_none() => flaws.push(Flaw::new(
            "/condition",
            "有条件共享而未写条件",
            "shared under conditions that are not written",
            "写明共享条件（用途、范围、使用方式）",
            "write the condition: for what, for whom, in which way",
        )),
        // 指南: 不予共享的, 应当有法律、行政法规或者党中央、国务院政策依据.
        Sharing::Refused if condition.is_none_or(|it| !it.zh.contains('《') && !it.zh.contains('〔')) => {
            flaws.push(Flaw::new(
                "/condition",
                "不予共享而未引依据",
                "not shared, and no legal basis is cited",
                "引用法律、行政法规或国务院政策的名称和条款，如《……法》第…条",
                "cite the law, regulation or State Council policy with its article",
            ));
        }
        _ => {}
    }
    if (entry.share == Sharing::Refused) != (entry.method == Method::None) {
        flaws.push(Flaw::new(
            "/method",
            "共享方式与共享类型不符",
            "the method does not fit the sharing type",
            "不予共享写 method: none，其余写 platform、mail、disk 或 medium",
            "write method: none where it is not shared, else platform, mail, disk or medium",
        ));
    }
    if entry.class == Class::Base && entry.share == Sharing::Refused {
        flaws.push(Flaw::new(
            "/share",
            "基础信息资源不予共享",
            "a base resource is not shared",
            "基础信息资源应当共享（国发〔2016〕51号），改为 unconditional 或 conditional",
            "base resources are to be shared (State Council 2016 No. 51): write unconditional or conditional",
        ));
    }
}

fn openness(entry: &Entry, flaws: &mut Vec<Flaw>) {
    let personal = entry.items.iter().any(|it| it.personal);
    let open = entry.open && (entry.share == Sharing::Refused || personal || entry.grade >= Grade::General4);
    if open {
        flaws.push(Flaw::new(
            "/open",
            format!("不予共享、含个人信息或分级为 {} 的资源标为向社会开放", entry.grade),
            format!("open to the public, though not shared, about persons, or of grade {}", entry.grade),
            "改为 open: false",
            "write open: false",
        ));
    }
}

fn grade(entry: &Entry, flaws: &mut Vec<Flaw>) {
    let highest = entry.items.iter().filter_map(|it| it.grade).max();
    let all_graded = entry.items.iter().all(|it| it.grade.is_some());
    let Some(highest) = highest else { return };
    if entry.grade < highest || (all_graded && entry.grade > highest) {
        flaws.push(Flaw::new(
            "/grade",
            format!("分级为 {}，而信息项最高为 {highest}", entry.grade),
            format!("the grade is {}, while the highest of the items is {highest}", entry.grade),
            format!("就高从严，写 {highest}"),
            format!("write the highest: {highest}"),
        ));
    }
}

/// What is known here of an entry that a peer tells about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Through whom it came; `None`: the organisation's own.
    pub via: Option<OrganisationId>,
    /// The latest revision seen, a withdrawal's too.
    pub revision: i64,
    /// It is withdrawn.
    pub withdrawn: bool,
}

/// Whether what `peer` says about an entry of `owner` is taken over by `own`. That each change counts once is seen to
/// by its position in the peer's feed; a feed's order is the order of its changes.
///
/// An organisation speaks for itself: its own word overrides what others passed on, and nobody else's word overrides
/// it. Between others, the first that told goes on telling.
pub fn takes_over(own: &OrganisationId, owner: &OrganisationId, peer: &OrganisationId, known: Option<&Known>) -> bool {
    if owner == own {
        return false;
    }
    let Some(known) = known else { return true };
    let Some(via) = &known.via else { return false };
    via == peer || owner == peer || (via != owner && known.withdrawn)
}

//! What is proposed for tables as departments have them.

use super::*;
use crate::ItemType;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TODAY: Date = Date::constant(2026, 11, 24);

fn column(name: &str, native: &str, samples: &[&str]) -> ColumnShape {
    let samples = samples.iter().map(|it| (*it).to_owned()).collect();
    ColumnShape { name: name.to_owned(), native: native.to_owned(), samples, ..ColumnShape::default() }
}

fn known() -> Known {
    Known { department: Bilingual::new("江苏省交通运输厅", "Transport"), ..Known::default() }
}

/// Codes with right check characters, of the never-issued area 3299xx.
fn codes() -> Vec<String> {
    let bodies = ["MA000001", "MA000002", "MA000003", "MA00000A"];
    bodies.iter().filter_map(|it| schema::org_code::make_uscc("91", "329901", it)).collect()
}

fn of(columns: Vec<ColumnShape>) -> Proposal {
    let shape = TableShape { name: "T_QYXX".to_owned(), columns, ..TableShape::default() };
    propose(&[shape], &known(), TODAY).remove(0)
}

fn reason<'a>(proposal: &'a Proposal, part: &str) -> &'a Reason {
    proposal.reasons.iter().find(|it| it.part == part).unwrap_or_else(|| panic!("{part}: {:?}", proposal.reasons))
}

#[test]
fn a_table_with_abbreviated_columns_is_read() {
    let codes = codes();
    let proposal = of(vec![
        column("TYSHXYDM", "varchar(18)", &codes.iter().map(String::as_str).collect::<Vec<_>>()),
        column("QYMC", "varchar(200)", &["甲", "乙", "丙"]),
        column("FRXM", "varchar(50)", &[]),
        column("SJH", "varchar(11)", &["13900000001", "13900000002", "13900000003"]),
        column("CLRQ", "varchar(10)", &["2020-01-02", "2021-03-04", "2022-05-06"]),
        column("ZCZB", "numeric(18,2)", &["10.5"]),
        column("GXSJ", "timestamp", &[]),
    ]);
    let entry = &proposal.draft.entry;
    let titles: Vec<_> = entry.items.iter().map(|it| it.title.zh.as_str()).collect();
    assert_eq!(titles, ["统一社会信用代码", "企业名称", "法人姓名", "手机号码", "成立日期", "注册资本", "更新时间"]);
    let kinds: Vec<_> = entry.items.iter().map(|it| it.kind).collect();
    let text = ItemType::Text;
    assert_eq!(kinds, [text, text, text, text, ItemType::Date, ItemType::Number, ItemType::Instant]);
    assert_eq!((entry.title.zh.as_str(), entry.entry.as_str()), ("企业信息", "t-qyxx"));
    // The name and the check characters say the same.
    assert_eq!(reason(&proposal, "/items/0/title").confidence, Confidence::Certain);
    assert_eq!(reason(&proposal, "/items/2/title").confidence, Confidence::Guess);
    // Telephones are personal: a higher grade, and conditions.
    assert!(entry.items[3].personal && !entry.items[1].personal);
    assert_eq!((entry.grade, entry.share), (Grade::General3, policy::Sharing::Conditional));
    assert!(!entry.open);
    // What the market regulators collect is taken from them.
    let taken: Vec<_> = proposal.draft.links.means.iter().map(|it| it.item.as_str()).collect();
    assert_eq!(taken, ["统一社会信用代码", "企业名称", "成立日期", "注册资本"]);
    assert_eq!(reason(&proposal, "/items/0/source").value, "市场监督管理部门");
}

#[test]
fn comments_come_first_and_nothing_is_made_up() {
    let mut commented = column("c1", "int", &[]);
    commented.comment = Some("年末床位数（张）：含简易床位".to_owned());
    let proposal = of(vec![commented, column("xqz9", "text", &[]), column("车站名", "", &[])]);
    let titles: Vec<_> = proposal.draft.entry.items.iter().map(|it| it.title.zh.as_str()).collect();
    assert_eq!(titles, ["年末床位数", "xqz9", "车站名"]);
    assert_eq!(reason(&proposal, "/items/0/title").confidence, Confidence::Certain);
    assert_eq!(reason(&proposal, "/items/1/title").confidence, Confidence::Guess);
    assert_eq!(proposal.confidence, Confidence::Guess, "as sure as its least sure name");
}

#[test]
fn a_code_list_is_recognised() {
    let lists = vec![(Bilingual::new("登记状态", "Status"), BTreeSet::from(["1", "2", "3"].map(str::to_owned)))];
    let shape = TableShape {
        name: "a.csv".to_owned(),
        columns: vec![column("ZT", "", &["1", "2", "3"])],
        ..TableShape::default()
    };
    let proposal = propose(&[shape], &Known { lists, ..known() }, TODAY).remove(0);
    assert!(reason(&proposal, "/items/0/type").why.zh.contains("登记状态"));
}

#[test]
fn values_are_told_by_their_check_digits() {
    let of = |values: &[&str]| detect(&values.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let codes = codes();
    assert_eq!(detect(&codes), Some(Found::Uscc));
    let mut wrong = codes.clone();
    let last = if wrong[0].ends_with('A') { 'B' } else { 'A' };
    wrong[0].pop();
    wrong[0].push(last);
    assert_eq!(detect(&wrong), None);
    assert_eq!(of(&["32990019900101001X", "329900199001010028", "329900199001010036"]), Some(Found::CitizenId));
    assert_eq!(of(&["329900199001010017", "329900199001010028", "329900199001010036"]), None);
    assert_eq!(of(&["320100", "320102", "320104"]), Some(Found::Division));
    assert_eq!(of(&["20200102", "20210304", "20220506"]), Some(Found::Date));
    assert_eq!(of(&["2020年1月2日", "2021年3月4日", "2022年5月6日"]), Some(Found::Date));
    assert_eq!(of(&["2020-01-02 10:00:00", "2021-03-04T08:00:00Z", "2022-05-06 07:08"]), Some(Found::Instant));
    assert_eq!(of(&["1.5", "-2", "300"]), Some(Found::Number));
    assert_eq!(of(&["007", "008", "009"]), None, "a number does not begin with noughts");
    assert_eq!(of(&["13900000001", "13900000002"]), None, "two prove nothing");
}

proptest! {
    /// Whatever a source describes, each table gets a draft, each column an item with a title, a type and a grade, each
    /// with a reason; and no value of a sample stands in what is shown.
    #[test]
    fn every_shape_gets_a_proposal(
        names in prop::collection::vec("\\PC{0,12}", 0..8),
        native in "\\PC{0,12}",
        secret in "机密值[a-z]{6}",
    ) {
        let columns = names.iter().map(|it| column(it, &native, &[&secret, "x", "y"])).collect();
        let shape = TableShape { name: "\u{8868}/a.b.csv".to_owned(), columns, ..TableShape::default() };
        let proposals = propose(&[shape.clone(), shape], &known(), TODAY);
        prop_assert_eq!(proposals.len(), 2);
        for proposal in &proposals {
            prop_assert_eq!(proposal.draft.entry.items.len(), names.len());
            for at in 0..names.len() {
                for part in ["title", "type", "grade"] {
                    let part = format!("/items/{at}/{part}");
                    prop_assert!(proposal.reasons.iter().any(|it| it.part == part));
                }
            }
            prop_assert!(!serde_json::to_string(proposal).unwrap().contains(&secret));
        }
    }
}

/// A name without end is read without one.
#[test]
fn an_endless_name_is_none() {
    let endless = "qy".repeat(100_000);
    let proposal = of(vec![column(&endless, "", &[])]);
    assert_eq!(proposal.draft.entry.items[0].title.zh, endless);
    let shape = TableShape { name: endless, columns: vec![column("qymc", "", &[])], ..TableShape::default() };
    propose(&[shape], &known(), TODAY);
}

/// The words of databases, whole: `interval` holds `int` and is no number.
#[test]
fn types_of_databases_are_whole_words() {
    let kind = |native: &str| of(vec![column("c", native, &[])]).draft.entry.items[0].kind;
    for (native, expected) in [
        ("int(11) unsigned", ItemType::Number),
        ("int8", ItemType::Number),
        ("bigint", ItemType::Number),
        ("double precision", ItemType::Number),
        ("NUMBER(10)", ItemType::Number),
        ("interval", ItemType::Text),
        ("point", ItemType::Text),
        ("interval day to second", ItemType::Text),
        ("enum('int','date')", ItemType::Text),
        ("character varying(30)", ItemType::Text),
        ("VARCHAR2(30)", ItemType::Text),
        ("tinyint(1)", ItemType::Boolean),
        ("tinyint(4)", ItemType::Number),
        ("timestamp(6) without time zone", ItemType::Instant),
        ("datetime2", ItemType::Instant),
        ("date", ItemType::Date),
        ("money", ItemType::Money),
        ("longblob", ItemType::File),
    ] {
        assert_eq!(kind(native), expected, "{native}");
    }
}

//! Words that names are made of: invented by us, or names of places and of trades.

use crate::random::Weights;

/// First characters of invented brands.
pub(crate) const FIRST: [&str; 72] = [
    "云", "瑞", "恒", "泰", "宏", "盛", "嘉", "启", "晨", "明", "华", "博", "新", "远", "鼎", "凯", "润", "天", "金",
    "银", "海", "江", "淮", "宁", "苏", "锡", "太", "永", "长", "安", "德", "诚", "信", "和", "顺", "福", "佳", "美",
    "康", "健", "优", "卓", "杰", "精", "智", "数", "星", "辰", "宇", "航", "飞", "腾", "龙", "凤", "麒", "鹏", "翔",
    "雅", "文", "墨", "禾", "青", "绿", "森", "林", "蓝", "紫", "丰", "实", "立", "创", "捷",
];
/// Second characters of invented brands.
pub(crate) const SECOND: [&str; 72] = [
    "禾", "澜", "岳", "川", "源", "泽", "涛", "波", "霖", "霄", "峰", "岭", "岩", "城", "邦", "达", "通", "联", "合",
    "众", "群", "友", "朋", "亿", "万", "千", "百", "元", "亨", "利", "贞", "祥", "瑞", "庆", "隆", "昌", "兴", "旺",
    "茂", "荣", "华", "彩", "光", "辉", "耀", "晖", "旭", "阳", "晟", "曜", "象", "图", "景", "意", "思", "维", "科",
    "技", "工", "匠", "艺", "品", "格", "尚", "风", "雷", "电", "石", "玉", "珠", "锦", "程",
];
/// Characters that lengthen a brand.
pub(crate) const THIRD: [&str; 24] = [
    "尔", "斯", "特", "克", "德", "欣", "奥", "赛", "威", "博", "迪", "纳", "诺", "维", "雅", "依", "佰", "汇", "宝",
    "泰", "格", "朗", "途", "珂",
];

/// One trade: its class and the words for it.
pub(crate) struct Trade {
    /// A class of GB/T 4754-2017.
    pub class: &'static str,
    /// What stands in names.
    pub words: [&'static str; 2],
}

/// All trades, and how often each is drawn.
pub(crate) fn trades() -> (Vec<Trade>, Weights) {
    let rows = lines(include_str!("../words/trades.csv")).map(|line| {
        let [class, first, second, weight] = columns(line);
        (Trade { class, words: [first, second] }, weight.parse().unwrap_or(1))
    });
    let (trades, weights): (Vec<_>, Vec<u64>) = rows.unzip();
    (trades, Weights::new(weights))
}

/// One county of the province, with its city.
pub(crate) struct County {
    /// Its six-digit code.
    pub code: &'static str,
    /// Its short name in company names: that of its city or its own.
    pub short: [&'static str; 2],
    /// Its city as a registrar, six digits.
    pub city: String,
}

/// Weights of the 13 cities after their share in the province's economy, in thousandths; an assumption to tune.
const CITY_WEIGHTS: [(&str, u64); 13] = [
    ("3201", 135),
    ("3202", 120),
    ("3203", 70),
    ("3204", 80),
    ("3205", 190),
    ("3206", 90),
    ("3207", 30),
    ("3208", 40),
    ("3209", 55),
    ("3210", 60),
    ("3211", 45),
    ("3212", 50),
    ("3213", 35),
];

/// The counties in force, zones among them, and how often each is drawn.
pub(crate) fn counties() -> (Vec<County>, Weights) {
    let rows: Vec<[&str; 7]> =
        lines(include_str!("../../../packs/divisions/data/divisions.csv")).map(columns).collect();
    let in_force = |row: &&[&'static str; 7]| row[0].starts_with("32") && row[0].len() == 6 && row[5].is_empty();
    let city_of = |code: &str| rows.iter().find(|it| it[0] == &code[..4]).map_or("江苏", |it| it[1]);
    let mut weights = Vec::new();
    let counties = rows.iter().filter(in_force).map(|row| {
        let (code, zh) = (row[0], row[1]);
        let siblings = rows.iter().filter(in_force).filter(|it| it[0][..4] == code[..4]).count() as u64;
        let city = CITY_WEIGHTS.iter().find(|it| code.starts_with(it.0)).map_or(1, |it| it.1);
        weights.push(city * 1_000 / siblings);
        let city = city_of(code).trim_end_matches('市');
        let own = if zh.ends_with(['市', '县']) && zh.chars().count() > 2 { &zh[..zh.len() - 3] } else { city };
        County { code, short: [city, own], city: format!("{}00", &code[..4]) }
    });
    let counties = counties.collect();
    (counties, Weights::new(weights))
}

/// The lines of a table of ours behind its header; none of its cells is quoted.
fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().skip(1).filter(|it| !it.is_empty())
}

/// The first `N` cells of a line; missing ones are empty.
fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut cells = line.split(',');
    std::array::from_fn(|_| cells.next().unwrap_or(""))
}

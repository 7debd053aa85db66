//! A catalogue of a million entries from a seed, and what is asked of it.

use catalog::{Class, Entry, FORMAT, Item, ItemType, Method, Publication};
use policy::Sharing;
use schema::{Cycle, Grade};
use vocabulary::{Bilingual, Date, OrganisationId, ResourceId};

/// xorshift64*: the same seed gives the same catalogue everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or(0) % below
    }

    fn of<'a, T: ?Sized>(&mut self, words: &[&'a T]) -> &'a T {
        words[self.next(words.len())]
    }
}

const PLACES: &[(&str, &str)] = &[
    ("南京市", "Nanjing"),
    ("无锡市", "Wuxi"),
    ("徐州市", "Xuzhou"),
    ("常州市", "Changzhou"),
    ("苏州市", "Suzhou"),
    ("南通市", "Nantong"),
    ("连云港市", "Lianyungang"),
    ("淮安市", "Huaian"),
    ("盐城市", "Yancheng"),
    ("扬州市", "Yangzhou"),
    ("镇江市", "Zhenjiang"),
    ("泰州市", "Taizhou"),
    ("宿迁市", "Suqian"),
    ("江宁区", "Jiangning"),
    ("昆山市", "Kunshan"),
    ("江阴市", "Jiangyin"),
    ("如皋市", "Rugao"),
    ("沛县", "Peixian"),
    ("东台市", "Dongtai"),
];
const OFFICES: &[(&str, &str)] = &[
    ("市场监督管理局", "Administration for Market Regulation"),
    ("民政局", "Civil Affairs Bureau"),
    ("公安局", "Public Security Bureau"),
    ("自然资源和规划局", "Natural Resources Bureau"),
    ("生态环境局", "Ecology Bureau"),
    ("交通运输局", "Transport Bureau"),
    ("水务局", "Water Bureau"),
    ("卫生健康委员会", "Health Commission"),
    ("教育局", "Education Bureau"),
    ("农业农村局", "Agriculture Bureau"),
    ("住房和城乡建设局", "Housing Bureau"),
    ("人力资源和社会保障局", "Human Resources Bureau"),
    ("应急管理局", "Emergency Bureau"),
    ("文化广电和旅游局", "Culture and Tourism Bureau"),
    ("税务局", "Tax Service"),
];
const THINGS: &[(&str, &str)] = &[
    ("企业登记", "enterprise registration"),
    ("个体工商户", "individual businesses"),
    ("行政许可", "permits"),
    ("行政处罚", "penalties"),
    ("不动产登记", "real estate"),
    ("婚姻登记", "marriages"),
    ("养老机构", "nursing homes"),
    ("空气质量", "air quality"),
    ("地表水水质", "surface water"),
    ("排污许可", "discharge permits"),
    ("公交线路", "bus lines"),
    ("道路运输", "road transport"),
    ("危险化学品", "hazardous chemicals"),
    ("医疗机构", "hospitals"),
    ("学校", "schools"),
    ("农药经营", "pesticides"),
    ("施工许可", "building permits"),
    ("社会保险", "social insurance"),
    ("失业登记", "unemployment"),
    ("旅游景区", "scenic spots"),
    ("纳税信用", "tax credit"),
    ("特种设备", "special equipment"),
    ("食品经营", "food trading"),
    ("消防安全", "fire safety"),
    ("耕地保护", "farmland"),
    ("古树名木", "old trees"),
    ("充电桩", "charging stations"),
    ("停车场", "car parks"),
    ("地名", "place names"),
    ("水库水位", "reservoirs"),
    ("气象预警", "weather warnings"),
    ("高新技术企业", "high-tech enterprises"),
    ("专精特新企业", "specialised enterprises"),
    ("惠企政策", "policies"),
];
const FORMS: &[(&str, &str)] = &[
    ("信息", "data"),
    ("名单", "list"),
    ("明细", "details"),
    ("统计", "statistics"),
    ("年度报告", "annual reports"),
    ("监测数据", "monitoring"),
    ("台账", "ledger"),
    ("目录", "directory"),
    ("检查结果", "inspections"),
];
const ITEMS: &[(&str, &str)] = &[
    ("统一社会信用代码", "credit code"),
    ("名称", "name"),
    ("地址", "address"),
    ("联系电话", "telephone"),
    ("证书编号", "certificate number"),
    ("有效期", "validity"),
    ("发证机关", "issuer"),
    ("所属区划", "division"),
    ("经度", "longitude"),
    ("纬度", "latitude"),
    ("登记日期", "registration date"),
    ("注册资本", "capital"),
    ("法定代表人", "representative"),
    ("检查日期", "inspection date"),
    ("检查结论", "conclusion"),
    ("面积", "area"),
    ("数量", "number"),
    ("金额", "amount"),
    ("状态", "status"),
    ("备注", "remark"),
    ("污染物浓度", "concentration"),
    ("床位数", "beds"),
    ("学生数", "pupils"),
    ("车牌号", "plate"),
    ("许可范围", "scope"),
];

fn text(parts: &[(&str, &str)]) -> Bilingual {
    let zh = parts.iter().map(|it| it.0).collect::<String>();
    Bilingual::new(zh, parts.iter().map(|it| it.1).collect::<Vec<_>>().join(" "))
}

fn name(text: String) -> ResourceId {
    ResourceId::new(text).expect("letters, digits and hyphens")
}

/// The entry of that number.
pub fn make(number: usize, random: &mut Random) -> Publication {
    let (place, office, form) =
        (PLACES[random.next(PLACES.len())], OFFICES[random.next(OFFICES.len())], FORMS[random.next(FORMS.len())]);
    let at = random.next(THINGS.len());
    let (thing, year) = (THINGS[at], 2016 + random.next(11));
    let number_text = format!("{}期", random.next(400) + 1);
    let title = text(&[place, thing, form, (&format!("{year}年第{number_text}"), &year.to_string())]);
    let items: Vec<Item> = (0..4 + random.next(6))
        .map(|_| {
            let title = text(&[ITEMS[random.next(ITEMS.len())]]);
            Item { title, kind: ItemType::Text, field: None, length: None, unit: None, grade: None, personal: false }
        })
        .collect();
    let share = *random.of(&[&Sharing::Unconditional, &Sharing::Conditional]);
    let entry = Entry {
        entry: name(format!("e{number}")),
        title,
        code: format!("3{:02}{:03}001/{number:07}", at % 90 + 1, random.next(900) + 1),
        class: Class::Department,
        theme: name(format!("theme-{}", at % 23)),
        provider: text(&[place, office]),
        provider_code: None,
        description: text(&[
            place,
            office,
            ("依职责归集的", " keeps "),
            thing,
            ("，包括", ": "),
            ITEMS[random.next(ITEMS.len())],
            ("和", " and "),
            ITEMS[random.next(ITEMS.len())],
            ("，按期更新", ", renewed regularly"),
        ]),
        formats: vec![random.of(&["csv", "json", "xlsx", "shp"]).to_owned()],
        items,
        share,
        condition: (share == Sharing::Conditional).then(|| text(&[("须有法定职责", "requires a statutory duty")])),
        method: Method::Platform,
        open: random.next(3) == 0,
        open_condition: None,
        cycle: *random.of(&[&Cycle::Daily, &Cycle::Monthly, &Cycle::Yearly]),
        published: Date::constant(2026, 1, 1),
        related: vec![],
        grade: *random.of(&[&Grade::General1, &Grade::General2, &Grade::General3]),
        keywords: vec![thing.0.to_owned(), place.0.to_owned()],
        offer: None,
        synthetic: true,
    };
    let organisation = OrganisationId::new(format!("node-{:03}", number % 300)).expect("letters and digits");
    Publication { format: FORMAT.to_owned(), organisation, revision: 1, entry }
}

/// Thirty questions in Chinese, and five in English.
pub fn queries() -> Vec<String> {
    let chinese = [
        "南京市空气质量",
        "企业登记",
        "苏州 不动产",
        "危险化学品",
        "医疗机构床位数",
        "惠企政策",
        "昆山市公交线路",
        "充电桩",
        "养老机构联系电话",
        "行政处罚 2024",
        "专精特新",
        "水库水位监测",
        "学校学生数",
        "食品经营许可",
        "排污",
        "古树",
        "无锡市税务局",
        "停车场经度纬度",
        "消防安全检查结果",
        "特种设备台账",
        "徐州婚姻登记年度报告",
        "地名",
        "企业",
        "许可",
        "如皋市农业农村局耕地保护统计",
        "气象预警 盐城",
        "高新技术企业名单",
        "旅游景区 扬州市",
        "失业登记明细",
        "景区统计",
    ];
    let english =
        ["air quality monitoring", "hospitals Nanjing", "charging stations", "bus lines Suzhou", "tax credit list"];
    chinese.iter().chain(&english).map(|it| (*it).to_owned()).collect()
}

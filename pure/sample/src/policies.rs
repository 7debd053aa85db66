//! Invented policies for enterprises (惠企政策), so that an exchange can end with what it was for.

use vocabulary::Bilingual;

/// What a policy asks of an enterprise. Every policy here is invented: none is in force anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: &'static str,
    /// Its title.
    pub title: Bilingual,
    /// Industries it is for, as prefixes of GB/T 4754-2017 codes; none: any.
    pub industries: &'static [&'static str],
    /// Not more staff than this.
    pub staff_max: Option<i64>,
    /// Not fewer staff than this.
    pub staff_min: Option<i64>,
    /// Not more revenue than this, in fen.
    pub revenue_max: Option<i64>,
    /// Only without a serious violation.
    pub no_violation: bool,
    /// Only while not listed as operating abnormally.
    pub no_abnormal: bool,
}

/// What is known of an enterprise; an absent number meets no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enterprise<'a> {
    /// Its industry, a code of GB/T 4754-2017.
    pub industry: &'a str,
    /// Its staff.
    pub staff: Option<i64>,
    /// Its revenue in fen.
    pub revenue: Option<i64>,
    /// Whether it is listed as operating abnormally.
    pub abnormal: bool,
    /// Whether it is listed for a serious violation.
    pub violation: bool,
}

impl Policy {
    /// Whether the enterprise meets every condition.
    pub fn matches(&self, enterprise: &Enterprise<'_>) -> bool {
        let industry =
            self.industries.is_empty() || self.industries.iter().any(|it| enterprise.industry.starts_with(it));
        let at_most = |value: Option<i64>, max: Option<i64>| max.is_none_or(|max| value.is_some_and(|it| it <= max));
        industry
            && at_most(enterprise.staff, self.staff_max)
            && self.staff_min.is_none_or(|min| enterprise.staff.is_some_and(|it| it >= min))
            && at_most(enterprise.revenue, self.revenue_max)
            && !(self.no_violation && enterprise.violation)
            && !(self.no_abnormal && enterprise.abnormal)
    }
}

/// Ten thousand yuan in fen.
const WAN: i64 = 1_000_000;

/// The invented policies.
pub fn policies() -> Vec<Policy> {
    let policy = |id, zh, en, industries| Policy {
        id,
        title: Bilingual::new(zh, en),
        industries,
        staff_max: None,
        staff_min: None,
        revenue_max: None,
        no_violation: true,
        no_abnormal: true,
    };
    vec![
        Policy {
            staff_max: Some(300),
            revenue_max: Some(40_000 * WAN),
            ..policy(
                "syn-01",
                "小微制造业技术改造补助（示例）",
                "Grant for technical renewal of small manufacturers (example)",
                &["13", "14", "15", "17", "18", "2", "3", "4"],
            )
        },
        Policy {
            staff_min: Some(10),
            ..policy(
                "syn-02",
                "智能装备首台套奖励（示例）",
                "Reward for first sets of smart equipment (example)",
                &["34", "35", "3491", "4011"],
            )
        },
        Policy {
            staff_max: Some(100),
            ..policy(
                "syn-03",
                "软件企业人才租房补贴（示例）",
                "Rent allowance for staff of software firms (example)",
                &["64", "65"],
            )
        },
        Policy {
            revenue_max: Some(500 * WAN),
            no_abnormal: false,
            ..policy("syn-04", "小微企业社保缓缴（示例）", "Deferred social insurance for small firms (example)", &[])
        },
        Policy {
            staff_max: Some(50),
            ..policy(
                "syn-05",
                "餐饮零售稳岗补助（示例）",
                "Job retention grant for catering and retail (example)",
                &["52", "62"],
            )
        },
        policy(
            "syn-06",
            "绿色低碳改造贷款贴息（示例）",
            "Interest subsidy for low-carbon renewal (example)",
            &["26", "28", "30", "31", "32", "3825", "4415", "4416"],
        ),
        policy("syn-07", "生物医药研发后补助（示例）", "R&D grant for biomedicine (example)", &["27", "3581", "7340"]),
        Policy {
            staff_min: Some(100),
            ..policy("syn-08", "规上企业用工招聘服务（示例）", "Recruiting service for larger firms (example)", &[])
        },
    ]
}

/// The policies as CSV with a header; conditions that are absent are empty.
pub fn policies_csv() -> String {
    let number = |it: Option<i64>| it.map(|it| it.to_string()).unwrap_or_default();
    let fen = |it: Option<i64>| it.map(|it| format!("{}.{:02}", it / 100, it % 100)).unwrap_or_default();
    let mut text =
        "policy,title,title_en,industries,staff_min,staff_max,revenue_max,no_violation,no_abnormal\n".to_owned();
    for it in policies() {
        text += &format!(
            "{},{},{},{},{},{},{},{},{}\n",
            it.id,
            it.title.zh,
            it.title.en,
            it.industries.join(" "),
            number(it.staff_min),
            number(it.staff_max),
            fen(it.revenue_max),
            it.no_violation,
            it.no_abnormal
        );
    }
    text
}

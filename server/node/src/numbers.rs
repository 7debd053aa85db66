//! Everything that bears a number of some platform's (目录代码, 资源编码, 需求申请编号, 授权码).

use crate::Organisation;
use catalog::report::{ReportView, ReportsAsk};
use exchange::{AgreementView, ReceiptView, RequestView};
use policy::Principal;
use serde::{Deserialize, Serialize};
use vocabulary::{Kind, NUMBER_CHARS_MAX, Problem, ensure};

/// Past so many receipts those of further agreements are left to their own list.
const RECEIPTS_MAX: usize = 1_000;

/// Which number.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberAsk {
    /// As it was given.
    pub number: String,
}

/// What bears a number here; of each at most as many as its own list shows.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Numbered {
    /// Entries that levels gave it.
    pub entries: Vec<ReportView>,
    /// Requests that it stands in, or in an answer to them.
    pub requests: Vec<RequestView>,
    /// Agreements that it stands in.
    pub agreements: Vec<AgreementView>,
    /// The newest receipts of deliveries under those.
    pub receipts: Vec<ReceiptView>,
}

impl Organisation {
    /// What bears a number.
    ///
    /// # Errors
    /// `number.form`, `policy.role`.
    pub async fn numbered(&self, principal: &Principal, number: &str) -> Result<Numbered, Problem> {
        ensure!((1..=NUMBER_CHARS_MAX).contains(&number.chars().count()), unformed());
        let ask = ReportsAsk { number: Some(number.to_owned()), ..ReportsAsk::default() };
        let mut found = Numbered { entries: self.reports(principal, &ask).await?, ..Numbered::default() };
        let ids = exchange::numbered(&mut self.store.read().await?, number, "").await?;
        for id in ids {
            if let Ok(id) = id.parse() {
                found.agreements.push(self.agreement(id).await?);
                if found.receipts.len() < RECEIPTS_MAX {
                    found.receipts.extend(self.receipts(Some(id)).await?);
                }
            } else if let Ok(id) = id.parse() {
                let view = exchange::request(&mut self.store.read().await?, id).await?;
                found.requests.push(self.with_clocks(view).await?);
            }
        }
        Ok(found)
    }
}

fn unformed() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "number.form",
        format!("请给出 1–{NUMBER_CHARS_MAX} 个字符的编号"),
        format!("give a number of 1 to {NUMBER_CHARS_MAX} characters"),
    )
    .field("/number")
}

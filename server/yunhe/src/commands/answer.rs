//! `yunhe answer`: one answer to a request, signed by the organisation.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use clap::{Args, ValueEnum};
use serde_json::json;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe answer req_0197… --step own-department --verdict agree --data ./nj --org nj-gxj --as checker
  yunhe answer req_0197… --step authority --verdict accept --data ./hub --as approver
  yunhe answer req_0197… --step authority --verdict supplement --reason 请说明保存期限 --data ./hub --as approver
  yunhe answer req_0197… --step provider --verdict agree-in-part --columns uscc,staff,revenue,abnormal,violation \\
        --reason 联系电话与用途无关 --data ./scjg --as officer
  yunhe answer req_0197… --step authority --verdict agree \\
        --number authorisation:js-data:苏数授0099 --data ./hub --as approver";

/// 答复申请。Answer a request.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Answer {
    /// 申请标识 The request
    id: String,
    /// 以哪个环节 As which step
    #[arg(long, value_enum)]
    step: Step,
    /// 答复 What it says
    #[arg(long, value_enum)]
    verdict: Verdict,
    /// 理由（受理、同意以外必填） Why; needed for all but accept and agree
    #[arg(long)]
    reason: Option<String>,
    /// 部分同意的列 The columns, when agreed in part
    #[arg(long, value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// 部分同意的服务操作 The operations of a service, when agreed in part
    #[arg(long, value_delimiter = ',', conflicts_with = "columns")]
    operations: Option<Vec<String>>,
    /// 本级给出的编号，可多次：类别:给号方:编号 A number that we give it: KIND:GIVER:NUMBER; several times
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// 本部门 The asker's own department
    OwnDepartment,
    /// 主管部门 The authority in charge
    Authority,
    /// 提供方 The provider
    Provider,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verdict {
    /// 受理 Taken up
    Accept,
    /// 补正 Something is missing
    Supplement,
    /// 退回 Sent back
    Return,
    /// 同意 Agreed
    Agree,
    /// 部分同意 Agreed in part
    AgreeInPart,
    /// 不同意 Refused
    Refuse,
}

fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
}

impl Answer {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let body = json!({
            "step": word(&self.step), "verdict": word(&self.verdict), "reason": self.reason, "columns": self.columns,
            "operations": self.operations,
            "numbers": super::report::numbers(&self.number)?,
        });
        let path = format!("/v1/requests/{}/answers", encoded(&self.id));
        let value = context.client()?.post(&path, &body).await?;
        context.voice().answer(&value, || super::request::shown(context.voice(), &value));
        Ok(())
    }
}

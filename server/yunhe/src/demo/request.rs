//! Step 4: request. What is shared without condition is answered at once; what is shared under conditions is answered
//! by people in turn, by statute within working days.

use super::Step;
use super::install::word;
use super::people::{BUREAU_CHECKER, BUREAU_REQUESTER, HUB_APPROVER, PROVIDER_OFFICER, Seat};
use super::stage::Stage;
use crate::commands::request::standing;
use crate::output::cell;
use serde_json::Value;
use vocabulary::Problem;

/// What both kinds of request say.
const ABOUT: [&str; 16] = [
    "--provider",
    "js-scjg",
    "--purpose",
    "惠企政策匹配",
    "--law",
    "《优化营商环境条例》（国务院令第722号）",
    "--article",
    "第三十七条",
    "--matter",
    "惠企政策兑现",
    "--system",
    "惠企政策平台",
    "--frequency",
    "每日",
    "--in-charge",
    "企业服务处",
];

/// Plays the step.
///
/// # Errors
/// What goes wrong; `demo.check`.
pub async fn take(stage: &mut Stage) -> Result<(), Problem> {
    let base = submit(stage, "legal-person-base", &[]).await?;
    stage.check(
        "法人基础信息属无条件共享，申请即获同意",
        "base facts are shared without condition: agreed at once",
        base["standing"].get("agreed").is_some(),
    )?;
    stage.learned.base_request = Some(id(&base));
    let operation = conditional(stage).await?;
    stage.learned.operation_request = Some(operation);
    let part = in_part(stage).await?;
    stage.learned.part_request = Some(part);
    Ok(())
}

async fn submit(stage: &Stage, offer: &str, more: &[&str]) -> Result<Value, Problem> {
    let mut arguments = vec!["request", "new", "--offer", offer, "--until", "2027-06-30"];
    arguments.extend(ABOUT);
    arguments.extend(more);
    stage.ask(BUREAU_REQUESTER, &arguments).await
}

fn id(view: &Value) -> String {
    word(view, "/request/body/id")
}

async fn answer(stage: &Stage, seat: Seat, id: &str, step: &str, answer: &[&str]) -> Result<Value, Problem> {
    let mut arguments = vec!["answer", id, "--step", step, "--verdict"];
    arguments.extend(answer);
    stage.ask(seat, &arguments).await
}

/// Asks at the consumer how a request stands, which first asks the node whose turn it is, and shows it.
async fn news(stage: &Stage, id: &str) -> Result<Value, Problem> {
    let view = stage.ask(BUREAU_REQUESTER, &["request", "show", id]).await?;
    let told = standing(stage.voice, &view);
    stage.say(&format!("申请方看到：{told}"), &format!("the asker sees: {told}"));
    Ok(view)
}

async fn conditional(stage: &mut Stage) -> Result<String, Problem> {
    let view = submit(stage, "legal-person-operation", &[]).await?;
    let id = id(&view);
    let turn = |view: &Value| word(view, "/standing/waiting/step");
    stage.check(
        "法人经营与信用信息：先由本部门审核",
        "operation and credit: the own department first",
        turn(&view) == "own-department",
    )?;
    answer(stage, BUREAU_CHECKER, &id, "own-department", &["agree"]).await?;
    answer(stage, HUB_APPROVER, &id, "authority", &["accept"]).await?;
    answer(stage, HUB_APPROVER, &id, "authority", &["supplement", "--reason", "请说明数据保存期限"]).await?;
    let view = news(stage, &id).await?;
    stage.check(
        "主管部门受理后要求补正，申请方看到理由",
        "the authority took it up and wants a supplement; the asker sees why",
        word(&view, "/standing/supplement/reason") == "请说明数据保存期限",
    )?;
    stage
        .ask(BUREAU_REQUESTER, &["request", "supplement", &id, "--note", "保存至政策兑现结束后三十日，随后删除"])
        .await?;
    let at_hub = stage.ask(HUB_APPROVER, &["request", "show", &id]).await?;
    let due = cell::at(stage.voice, &at_hub, "/due/authority");
    stage
        .say(&format!("主管部门答复期限（工作日）：{due}"), &format!("the authority answers by (working days): {due}"));
    answer(stage, HUB_APPROVER, &id, "authority", &["agree"]).await?;
    let view = news(stage, &id).await?;
    stage.check(
        "主管部门同意后轮到提供方",
        "the authority agreed; it is the provider's turn",
        turn(&view) == "provider",
    )?;
    answer(stage, PROVIDER_OFFICER, &id, "provider", &["accept"]).await?;
    if stage.sabotages(Step::Request) {
        answer(stage, PROVIDER_OFFICER, &id, "provider", &["refuse", "--reason", "故意破坏"]).await?;
    } else {
        answer(stage, PROVIDER_OFFICER, &id, "provider", &["agree"]).await?;
    }
    let view = news(stage, &id).await?;
    let there = stage.ask(PROVIDER_OFFICER, &["request", "show", &id]).await?;
    let events = cell::list(&view, "/events").len();
    stage.check(
        &format!("三个环节依次答复（{events} 步，步步签名），双方所存经过逐字一致"),
        &format!("three steps answered in turn ({events} signed events); both sides keep the same story to the letter"),
        view["standing"].get("agreed").is_some() && view["events"] == there["events"] && events >= 7,
    )?;
    Ok(id)
}

/// A second request, agreed to in part: without the telephone.
async fn in_part(stage: &mut Stage) -> Result<String, Problem> {
    let view = submit(stage, "legal-person-operation", &["--columns", "uscc,staff,telephone"]).await?;
    let id = id(&view);
    answer(stage, BUREAU_CHECKER, &id, "own-department", &["agree"]).await?;
    answer(stage, HUB_APPROVER, &id, "authority", &["agree"]).await?;
    news(stage, &id).await?;
    let part = ["agree-in-part", "--columns", "uscc,staff", "--reason", "联系电话与该用途无关"];
    answer(stage, PROVIDER_OFFICER, &id, "provider", &part).await?;
    let view = news(stage, &id).await?;
    let columns = cell::at(stage.voice, &view, "/standing/agreed/columns");
    stage.check(
        "另一申请部分同意：只给 uscc、staff，理由在案",
        "another request is agreed to in part: uscc and staff only, with the reason",
        columns == "uscc, staff",
    )?;
    Ok(id)
}

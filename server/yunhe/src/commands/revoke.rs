//! `yunhe revoke`: either side takes an agreement back, effective at once.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::Failure;
use clap::Args;
use serde_json::json;

const EXAMPLES: &str = "\
示例 Example:
  yunhe revoke agr_0197… --reason 用途终止 --data ./scjg --as officer";

/// 撤销协议，立即生效。Take an agreement back, effective at once.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Revoke {
    /// 协议标识 The agreement
    id: String,
    /// 理由 Why
    #[arg(long)]
    reason: String,
}

impl Revoke {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let path = format!("/v1/agreements/{}/revocation", encoded(&self.id));
        let value = context.client()?.post(&path, &json!({ "reason": self.reason })).await?;
        context.voice().answer(&value, || super::agree::shown(context.voice(), &value));
        Ok(())
    }
}

//! `yunhe call`: one call of a service under an agreement; what the service answered comes out as it is.

use crate::client::encoded;
use crate::context::Context;
use crate::exit::{Exit, Failure, file_problem};
use crate::output::{Voice, facts};
use bytes::Bytes;
use clap::Args;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe call agr_0197… GET /enterprises/91320000MA00000000 --query fields=name --data ./nj --org nj-gxj --as platform
  yunhe call agr_0197… POST /declarations --body 申报.json --key 2026-0001 --data ./nj --org nj-gxj --as platform
  yunhe call agr_0197… GET /enterprises/91320000MA00000000 --out 企业.json --receipt 回执.json --data ./nj --as platform

应用系统直接以 http://节点/v1/call/<协议>/ 为服务的基地址，出示令牌即可。答复的首部 yunhe-origin 为 service 时是服务的答复，
为 node 时是本平台的问题说明。
An application system takes http://node/v1/call/<agreement>/ as the service's base address and shows its token. The
field yunhe-origin of an answer is `service` where the service answered, `node` where it is a problem of ours.";

/// 依协议调用服务接口。Call a service under an agreement.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Call {
    /// 协议标识 The agreement
    agreement: String,
    /// 方法 The method: GET, HEAD, POST, PUT, PATCH, DELETE
    method: String,
    /// 服务的路径，参数按百分号编码 The service's path, percent-encoded
    path: String,
    /// 查询参数，可多次 A parameter of the query; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,
    /// 首部字段，可多次 A field; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// 请求正文的文件，- 为标准输入 The file with the body; - for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// 正文的媒体类型 The body's media type
    #[arg(long, default_value = "application/json")]
    media: String,
    /// 幂等键：同一键的调用只办理一次 Idempotency key: what is called under one key is done once
    #[arg(long)]
    key: Option<String>,
    /// 答复正文写入文件 Write the answer's body to a file [standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// 把回执写入文件 Write the receipt to a file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn unusable(what: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "cli.call",
        format!("{what} 不能写入 HTTP 请求"),
        format!("{what} cannot stand in an HTTP request"),
    )
}

impl Call {
    fn target(&self) -> String {
        let mut target = format!("/v1/call/{}/{}", encoded(&self.agreement), self.path.trim_start_matches('/'));
        for (at, (name, value)) in self.query.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(&format!("{}={}", encoded(name), encoded(value)));
        }
        target
    }

    fn fields(&self) -> Result<HeaderMap, Problem> {
        let media = self.body.as_ref().map(|_| ("content-type".to_owned(), self.media.clone()));
        let key = self.key.as_ref().map(|it| ("idempotency-key".to_owned(), it.clone()));
        let mut fields = HeaderMap::new();
        for (name, value) in self.header.iter().cloned().chain(media).chain(key) {
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(&name))?;
            fields.insert(field, HeaderValue::from_str(&value).map_err(|_| unusable(&name))?);
        }
        Ok(fields)
    }

    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| unusable(&self.method))?;
        let body = self.body.as_deref().map(read).transpose()?.unwrap_or_default();
        let answer = client.call(method, &self.target(), self.fields()?, body).await?;
        let (status, fields) = (answer.status, &answer.fields);
        let field = |name: &str| fields.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let (receipt, key) = (field("yunhe-receipt"), field("idempotency-key"));
        if let Some(path) = &self.receipt {
            let value = client.get(&format!("/v1/receipts/{}", encoded(&receipt)), &[]).await?;
            std::fs::write(path, format!("{value:#}\n")).map_err(|it| file_problem(path, &it))?;
        }
        let told = Told { status, media: field("content-type"), receipt, key, body: answer.body };
        tell(context.voice(), &told, self.out.as_deref())?;
        if status >= 400 { Err(Failure { problem: answered(status), exit: Exit::Refused }) } else { Ok(()) }
    }
}

fn read(path: &Path) -> Result<Bytes, Problem> {
    let mut body = Vec::new();
    let most = u64::from(policy::BODY_BYTES_MAX) + 1;
    let done = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|it| it.take(most).read_to_end(&mut body))
    };
    done.map_err(|it| file_problem(path, &it))?;
    Ok(body.into())
}

struct Told {
    status: u16,
    media: String,
    receipt: String,
    key: String,
    body: Bytes,
}

/// The body goes out as it is, what belongs to it to standard error: so that a pipe gets what the service said.
fn tell(voice: Voice, told: &Told, out: Option<&Path>) -> Result<(), Problem> {
    if let Some(path) = out {
        std::fs::write(path, &told.body).map_err(|it| file_problem(path, &it))?;
    }
    let Told { status, media, receipt, key, body } = told;
    if voice.json {
        let shown = match serde_json::from_slice::<Value>(body) {
            _ if out.is_some() => Value::Null,
            Ok(value) => value,
            Err(_) => json!(String::from_utf8_lossy(body)),
        };
        let value = json!({
            "status": status, "media": media, "receipt": receipt, "idempotency_key": key, "bytes": body.len(),
            "body": shown,
        });
        voice.answer(&value, String::new);
        return Ok(());
    }
    if out.is_none() {
        let mut console = std::io::stdout().lock();
        // A reader that has gone away has seen enough.
        drop(console.write_all(body).and_then(|()| console.write_all(b"\n")));
    }
    let lines = [
        ("服务答复状态", "Status of the service", status.to_string()),
        ("类型", "Media type", media.clone()),
        ("回执", "Receipt", receipt.clone()),
        ("幂等键", "Idempotency key", key.clone()),
    ];
    drop(std::io::stderr().lock().write_all(facts(voice, &lines).as_bytes()));
    Ok(())
}

fn answered(status: u16) -> Problem {
    Problem::new(
        Kind::from_status(status),
        "cli.service_status",
        format!("服务答复了状态 {status}（不是本平台的问题），已有回执；内容见上"),
        format!("the service itself answered with status {status}, which is receipted; what it said stands above"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        call: Call,
    }

    #[test]
    fn path_and_parameters_become_one_target() {
        let line = ["call", "agr_1", "GET", "/a/%E4%B8%AD", "--query", "名=a&b", "--query", "x="];
        let call = Line::parse_from(line).call;
        assert_eq!(call.target(), "/v1/call/agr_1/a/%E4%B8%AD?%E5%90%8D=a%26b&x=");
        assert!(call.fields().unwrap().is_empty());
        let line = ["call", "agr_1", "POST", "a", "--body", "f", "--key", "k", "--header", "accept-language=zh"];
        let fields = Line::parse_from(line).call.fields().unwrap();
        assert_eq!(
            (fields.len(), &fields["content-type"], &fields["idempotency-key"]),
            (3, &HeaderValue::from_static("application/json"), &HeaderValue::from_static("k"))
        );
        assert!(Line::try_parse_from(["call", "a", "GET", "/", "--query", "none"]).is_err());
    }
}

//! `yunhe serve`: runs the node until it is told to stop (Ctrl-C or SIGTERM); then no new connections are taken,
//! requests under way end, and databases close.

use crate::context::Context;
use crate::exit::Failure;
use crate::output::facts;
use crate::telemetry::{self, Exporter};
use clap::{Args, ValueEnum};
use node::{NodeConfig, Organisation, SystemClock};
use serde_json::json;
use std::io::IsTerminal as _;
use std::sync::Arc;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};
use vocabulary::{Kind, Problem};

const EXAMPLES: &str = "\
示例 Examples:
  yunhe serve --data ./node
  yunhe serve --data ./node --log json --log-level info,store=debug
  yunhe serve --data ./node --otlp http://127.0.0.1:4318";

/// 运行节点，直至 Ctrl-C 或 SIGTERM。Run a node until Ctrl-C or SIGTERM.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// 日志格式 How the log is written, on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "YUNHE_LOG_FORMAT")]
    log: LogFormat,
    /// 日志级别 What is logged
    #[arg(long, default_value = "info", env = "YUNHE_LOG", value_name = "FILTER")]
    log_level: String,
    /// 遥测收集器（OTLP/HTTP，JSON） A collector of figures and traces, such as http://127.0.0.1:4318
    #[arg(long, env = "YUNHE_OTLP", value_name = "URL")]
    otlp: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// 文本 Lines of text
    Text,
    /// JSON One object a line
    Json,
}

impl Serve {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let exporter = self.start_log()?;
        raise_descriptors();
        let folder = context.folder()?;
        let config = NodeConfig::read(&folder)?;
        let clock: Arc<dyn node::Clock> = Arc::new(SystemClock);
        let mut organisations = Vec::new();
        for one in &config.organisation {
            let home = folder.join(one.id.as_str());
            organisations.push(Organisation::open(&home, &config.federation, one, clock.clone()).await?);
        }
        for organisation in &organisations {
            say_vacancies(organisation).await?;
        }
        let served = web::serve(&config, web::Tenants::new(organisations)).await?;
        tracing::info!(client = %served.client, peers = ?served.peers, "the node serves");
        let voice = context.voice();
        let ids: Vec<&str> = config.organisation.iter().map(|it| it.id.as_str()).collect();
        let peers: Vec<String> = served.peers.iter().map(ToString::to_string).collect();
        let client = format!("http://{}", served.client);
        voice.answer(&json!({"client": client, "peers": peers, "organisations": ids}), || {
            facts(
                voice,
                &[
                    ("单位", "Organisations", ids.join(", ")),
                    ("人员和程序", "People and programs", client.clone()),
                    ("其他节点", "Other nodes", peers.join(", ")),
                    ("停止", "Stop", "Ctrl-C".to_owned()),
                ],
            )
        });
        let exports = exporter.map(|it| tokio::spawn(it.run(client.clone())));
        told_to_stop().await?;
        if let Some(exports) = exports {
            exports.abort();
        }
        tracing::info!("stopping");
        served.stop().await;
        tracing::info!("stopped");
        Ok(())
    }

    fn start_log(&self) -> Result<Option<Exporter>, Problem> {
        let filter = EnvFilter::try_new(&self.log_level).map_err(|it| {
            Problem::new(
                Kind::Unprocessable,
                "cli.log",
                format!("日志级别 {} 有误：{it}；例如 info 或 info,store=debug", self.log_level),
                format!("log filter {}: {it}; for example info or info,store=debug", self.log_level),
            )
        })?;
        // A log that cannot be written (its disk is full) must not end what was to be logged.
        let log = tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(std::io::stderr);
        let log = match self.log {
            LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
            LogFormat::Json => log.json().with_filter(filter).boxed(),
        };
        let (spans, exporter) = self.otlp.as_deref().map(telemetry::to).unzip();
        let requests = Targets::new().with_target(web::TRACED, tracing::Level::DEBUG);
        tracing_subscriber::registry().with(log).with(spans.map(|it| it.with_filter(requests))).init();
        Ok(exporter)
    }
}

/// Says which of the three administrators nobody is yet, and how that is mended.
async fn say_vacancies(organisation: &Organisation) -> Result<(), Problem> {
    for (office, waiting) in organisation.vacancies().await? {
        let (organisation, office) = (organisation.id(), node::office_word(office));
        match waiting {
            Some(name) => tracing::warn!(
                %organisation,
                office,
                %name,
                "an administrator has not come in yet: yunhe user change-password, enrol, confirm; \
                 the first password is \
                 in the folder `first`, and `yunhe appoint` makes another"
            ),
            None => {
                tracing::warn!(%organisation, office, "nobody is this administrator: yunhe appoint, on this machine")
            }
        }
    }
    Ok(())
}

/// Every connection and file needs a descriptor: as many as the system lets us have, which is often far more than what
/// a process begins with.
fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            tracing::warn!(%error, ?current, ?maximum, "the bound of open files was not raised");
        }
    }
}

async fn told_to_stop() -> Result<(), Problem> {
    let fault =
        |it: std::io::Error| Problem::new(Kind::Internal, "cli.signal", format!("无法接收信号：{it}"), it.to_string());
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
        tokio::select! {
            it = tokio::signal::ctrl_c() => it.map_err(fault),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(fault)
}

//! `yunhe appoint`: puts somebody into the office of one of the three administrators, on the machine itself and only
//! while nobody is in it who has ever come in: after an upgrade, or when a first password was lost.

use crate::context::Context;
use crate::exit::Failure;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use policy::Role;
use serde_json::json;

const EXAMPLES: &str = "\
示例 Examples:
  yunhe appoint security --data ./scjg
  yunhe appoint audit --name li --data ./scjg

随后由其本人 Then, by the person: yunhe user change-password NAME；yunhe user enrol NAME；yunhe user confirm NAME";

/// 在本机任命管理员：仅当该岗位无人在任；须能读取密钥目录。
/// Appoint an administrator on this machine, while nobody is in that office; it takes the key folder.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Appoint {
    /// 岗位：系统、安全、审计管理员 The office
    #[arg(value_parser = PossibleValuesParser::new(node::OFFICES.map(|it| it.1)).try_map(office))]
    office: Office,
    /// 账号名，缺省为 sysadmin、secadmin、auditadmin The account
    #[arg(long)]
    name: Option<String>,
}

type Office = (Role, &'static str, &'static str);

fn office(word: String) -> Result<Office, String> {
    node::OFFICES.into_iter().find(|it| it.1 == word).ok_or(word)
}

impl Appoint {
    /// Runs it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let folder = context.folder()?;
        let organisation = crate::target::organisation(&folder, context.global().org.as_deref())?;
        let (office, _, default) = self.office;
        let name = self.name.unwrap_or_else(|| default.to_owned());
        let file = node::appoint(&folder, &organisation, office, &name).await?;
        let voice = context.voice();
        voice.answer(&json!({"name": name, "first_password": file.display().to_string()}), || {
            let file = file.display();
            voice
                .pick(
                    &format!("已任命 {name}；初始密码在 {file}，须由其本人修改：yunhe user change-password {name}"),
                    &format!("{name} is appointed; the first password is in {file} and must be changed by the person"),
                )
                .to_owned()
        });
        Ok(())
    }
}

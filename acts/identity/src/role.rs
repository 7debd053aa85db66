//! Roles in words, and which no one account may hold together. Whether a role suffices is decided by `policy`.

use policy::Role;
use vocabulary::{Bilingual, Kind, Problem};

/// Every role.
pub const ROLES: [Role; 10] = [
    Role::SystemAdministrator,
    Role::SecurityAdministrator,
    Role::AuditAdministrator,
    Role::DataSteward,
    Role::Cataloguer,
    Role::Requester,
    Role::Checker,
    Role::Approver,
    Role::ProviderOfficer,
    Role::Application,
];

/// The word for a role in the database and in formats.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::SystemAdministrator => "system-administrator",
        Role::SecurityAdministrator => "security-administrator",
        Role::AuditAdministrator => "audit-administrator",
        Role::DataSteward => "data-steward",
        Role::Cataloguer => "cataloguer",
        Role::Requester => "requester",
        Role::Checker => "checker",
        Role::Approver => "approver",
        Role::ProviderOfficer => "provider-officer",
        Role::Application => "application",
    }
}

/// The title of a role.
pub fn role_title(role: Role) -> Bilingual {
    let (zh, en) = match role {
        Role::SystemAdministrator => ("系统管理员", "system administrator"),
        Role::SecurityAdministrator => ("安全管理员", "security administrator"),
        Role::AuditAdministrator => ("审计管理员", "audit administrator"),
        Role::DataSteward => ("数据管理员", "data steward"),
        Role::Cataloguer => ("目录编制人", "cataloguer"),
        Role::Requester => ("申请人", "requester"),
        Role::Checker => ("本部门审核人", "checker of the own department"),
        Role::Approver => ("主管部门审批人", "approver of the authority in charge"),
        Role::ProviderOfficer => ("提供方经办人", "officer of the provider"),
        Role::Application => ("应用系统", "application system"),
    };
    Bilingual::new(zh, en)
}

/// Reads the word for a role.
///
/// # Errors
/// `identity.role` when there is no such role; it names all there are.
pub fn parse_role(text: &str) -> Result<Role, Problem> {
    ROLES.into_iter().find(|it| role_word(*it) == text).ok_or_else(|| {
        let known = ROLES.map(role_word).join(", ");
        Problem::new(
            Kind::Malformed,
            "identity.role",
            format!("角色“{text}”不存在；可用：{known}"),
            format!("there is no role {text:?}; known: {known}"),
        )
    })
}

//! Who acts in the demo: each with an account or as a program, and a token of their own.

use super::process::Place;

/// A person or program of an organisation, by the name of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// On which node.
    pub place: Place,
    /// Of which organisation.
    pub organisation: &'static str,
    /// The token's name.
    pub token: &'static str,
}

const fn seat(place: Place, organisation: &'static str, token: &'static str) -> Seat {
    Seat { place, organisation, token }
}

/// 江苏省数据局, administrator.
pub const HUB_ADMIN: Seat = seat(Place::Hub, "js-data", "sysadmin");
/// 江苏省数据局, who keeps the common catalogue.
pub const HUB_CATALOGUER: Seat = seat(Place::Hub, "js-data", "cataloguer");
/// 江苏省数据局, who answers as the authority in charge.
pub const HUB_APPROVER: Seat = seat(Place::Hub, "js-data", "approver");
/// 江苏省数据局, who asks for data.
pub const HUB_REQUESTER: Seat = seat(Place::Hub, "js-data", "requester");
/// 江苏省市场监督管理局, administrator.
pub const PROVIDER_ADMIN: Seat = seat(Place::Provider, "js-scjg", "sysadmin");
/// 江苏省市场监督管理局, who imports.
pub const PROVIDER_STEWARD: Seat = seat(Place::Provider, "js-scjg", "steward");
/// 江苏省市场监督管理局, who publishes.
pub const PROVIDER_CATALOGUER: Seat = seat(Place::Provider, "js-scjg", "cataloguer");
/// 江苏省市场监督管理局, who answers and revokes.
pub const PROVIDER_OFFICER: Seat = seat(Place::Provider, "js-scjg", "officer");
/// 江苏省市场监督管理局, who checks what its cataloguer compiled.
pub const PROVIDER_CHECKER: Seat = seat(Place::Provider, "js-scjg", "checker");
/// Who publishes it as the authority in charge.
pub const PROVIDER_APPROVER: Seat = seat(Place::Provider, "js-scjg", "approver");
/// 南京市数据局, administrator.
pub const CITY_ADMIN: Seat = seat(Place::City, "nj-data", "sysadmin");
/// 南京市数据局, who imports.
pub const CITY_STEWARD: Seat = seat(Place::City, "nj-data", "steward");
/// 南京市数据局, who publishes.
pub const CITY_CATALOGUER: Seat = seat(Place::City, "nj-data", "cataloguer");
/// 南京市工业和信息化局, administrator.
pub const BUREAU_ADMIN: Seat = seat(Place::City, "nj-gxj", "sysadmin");
/// 南京市工业和信息化局, who asks.
pub const BUREAU_REQUESTER: Seat = seat(Place::City, "nj-gxj", "requester");
/// 南京市工业和信息化局, who checks before a request leaves.
pub const BUREAU_CHECKER: Seat = seat(Place::City, "nj-gxj", "checker");
/// 南京市工业和信息化局, who keeps its tables.
pub const BUREAU_STEWARD: Seat = seat(Place::City, "nj-gxj", "steward");
/// 惠企政策平台 of 南京市工业和信息化局.
pub const PLATFORM: Seat = seat(Place::City, "nj-gxj", "platform");
/// Somebody who is no member, at first.
pub const STRANGER_ADMIN: Seat = seat(Place::Stranger, "wx-stranger", "sysadmin");

impl Seat {
    /// Somebody else of the same organisation.
    pub const fn with(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    /// The security administrator of the same organisation.
    pub const fn security(self) -> Self {
        self.with("secadmin")
    }
}

/// A person to open an account for: who opens it, the token's name, the person, the roles.
pub struct Person {
    /// The organisation's system administrator.
    pub by: Seat,
    /// The account and its token.
    pub name: &'static str,
    /// The holder.
    pub person: &'static str,
    /// What they may do.
    pub roles: &'static str,
}

const fn person(by: Seat, name: &'static str, person: &'static str, roles: &'static str) -> Person {
    Person { by, name, person, roles }
}

/// Everybody but administrators and programs; the names are invented.
pub const PEOPLE: [Person; 10] = [
    person(HUB_ADMIN, "cataloguer", "编目员甲", "cataloguer"),
    person(HUB_ADMIN, "approver", "审批员甲", "approver"),
    person(HUB_ADMIN, "requester", "申请人乙", "requester"),
    person(PROVIDER_ADMIN, "steward", "数据管理员甲", "data-steward"),
    person(PROVIDER_ADMIN, "cataloguer", "编目员乙", "cataloguer"),
    person(PROVIDER_ADMIN, "officer", "经办人甲", "provider-officer"),
    person(CITY_ADMIN, "steward", "数据管理员乙", "data-steward"),
    person(CITY_ADMIN, "cataloguer", "编目员丙", "cataloguer"),
    person(BUREAU_ADMIN, "requester", "申请人甲", "requester"),
    person(BUREAU_ADMIN, "checker", "审核人甲", "checker"),
];

//! Accounts, sessions and tokens.

use super::Answer;
use crate::{
    caller::{Caller, Json as Body, Leaving, Params, Path},
    tenant::Tenant,
};
use axum::Json;
use identity::TokenId;
use node::{
    ApplicationView, Credentials, Enrolled, Enrolling, IssuedToken, NewApplication, NewToken, NewUser, OpenedUser,
    TokenView, UserView,
};
use policy::Role;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vocabulary::Personal;

/// `GET /v1/users`.
pub(crate) async fn users(caller: Caller) -> Answer<Vec<UserView>> {
    Ok(Json(caller.org.users(&caller.principal).await?))
}

/// `POST /v1/users`: opens an account, without roles.
pub(crate) async fn create_user(caller: Caller, Body(user): Body<NewUser>) -> Answer<OpenedUser> {
    Ok(Json(caller.org.create_user(&caller.principal, user).await?))
}

/// All roles of an account.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    roles: BTreeSet<Role>,
}

/// `POST /v1/users/{name}/roles`: gives an account exactly these roles.
pub(crate) async fn set_roles(caller: Caller, Path(name): Path<String>, Body(body): Body<Roles>) -> Answer<Value> {
    caller.org.set_roles(&caller.principal, &name, body.roles).await?;
    Ok(Json(json!({"name": name})))
}

/// Whether an account may sign in.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    enabled: bool,
}

/// `POST /v1/users/{name}/state`: disables an account, or enables it again.
pub(crate) async fn set_state(caller: Caller, Path(name): Path<String>, Body(body): Body<State>) -> Answer<Value> {
    caller.org.set_enabled(&caller.principal, &name, body.enabled).await?;
    Ok(Json(json!({"name": name, "enabled": body.enabled})))
}

/// `POST /v1/users/{name}/unlock`: unlocks an account.
pub(crate) async fn unlock(caller: Caller, Path(name): Path<String>) -> Answer<Value> {
    caller.org.unlock(&caller.principal, &name).await?;
    Ok(Json(json!({"name": name})))
}

/// `DELETE /v1/users/{name}/second-factor`: takes an account's second factor away.
pub(crate) async fn reset_factor(caller: Caller, Path(name): Path<String>) -> Answer<Value> {
    caller.org.reset_factor(&caller.principal, &name).await?;
    Ok(Json(json!({"name": name})))
}

/// `POST /v1/second-factors`: begins one's own second factor, proving the password.
pub(crate) async fn enrol(Tenant(org): Tenant, Body(with): Body<Credentials>) -> Answer<Enrolling> {
    Ok(Json(org.enrol(with).await?))
}

/// `POST /v1/second-factors/confirmation`: confirms it by one of its codes.
pub(crate) async fn confirm(Tenant(org): Tenant, Body(with): Body<Credentials>) -> Answer<Enrolled> {
    Ok(Json(org.confirm_factor(with).await?))
}

/// `GET /v1/applications`.
pub(crate) async fn applications(caller: Caller) -> Answer<Vec<ApplicationView>> {
    Ok(Json(caller.org.applications().await?))
}

/// `POST /v1/applications`: registers an application system.
pub(crate) async fn register_application(caller: Caller, Body(new): Body<NewApplication>) -> Answer<Value> {
    let name = new.name.clone();
    caller.org.register_application(&caller.principal, new).await?;
    Ok(Json(json!({"name": name})))
}

/// `DELETE /v1/applications/{name}`: retires an application system; its tokens end.
pub(crate) async fn retire_application(caller: Caller, Path(name): Path<String>) -> Answer<Value> {
    caller.org.retire_application(&caller.principal, &name).await?;
    Ok(Json(json!({"name": name, "retired": true})))
}

/// A password that the system administrator gives.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    #[schemars(with = "String")]
    password: Personal<String>,
}

/// `POST /v1/users/{name}/password`: gives an account a new password; its tokens end.
pub(crate) async fn reset_password(
    caller: Caller,
    Path(name): Path<String>,
    Body(new): Body<NewPassword>,
) -> Answer<Value> {
    caller.org.reset_password(&caller.principal, &name, new.password.open()).await?;
    Ok(Json(json!({"name": name})))
}

/// `POST /v1/sessions`: signs in with a password.
pub(crate) async fn sign_in(Tenant(org): Tenant, Body(with): Body<Credentials>) -> Answer<IssuedToken> {
    Ok(Json(org.sign_in(with).await?))
}

/// `DELETE /v1/sessions`: signs out; the token that is shown ends.
pub(crate) async fn sign_out(leaving: Leaving) -> Answer<Value> {
    leaving.org.sign_out(&leaving.token).await?;
    Ok(Json(json!({})))
}

/// `POST /v1/passwords`: changes one's own password, proving the old one; all tokens of the account end.
pub(crate) async fn change_password(Tenant(org): Tenant, Body(with): Body<Credentials>) -> Answer<Value> {
    let name = with.name.clone();
    org.change_password(with).await?;
    Ok(Json(json!({"name": name})))
}

/// Which tokens.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensAsk {
    after: Option<TokenId>,
}

/// `GET /v1/tokens`: the tokens, never their secrets.
pub(crate) async fn tokens(caller: Caller, Params(ask): Params<TokensAsk>) -> Answer<Vec<TokenView>> {
    Ok(Json(caller.org.tokens(&caller.principal, ask.after).await?))
}

/// `POST /v1/tokens`: issues a token and shows it once.
pub(crate) async fn create_token(caller: Caller, Body(token): Body<NewToken>) -> Answer<IssuedToken> {
    Ok(Json(caller.org.create_token(&caller.principal, token).await?))
}

/// `DELETE /v1/tokens/{id}`: takes a token back.
pub(crate) async fn revoke_token(caller: Caller, Path(id): Path<TokenId>) -> Answer<Value> {
    caller.org.revoke_token(&caller.principal, id).await?;
    Ok(Json(json!({})))
}

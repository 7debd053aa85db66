//! Accounts, sessions and tokens.

use super::Answer;
use crate::{
    caller::{Caller, Json as Body, Leaving, Params, Path},
    tenant::Tenant,
};
use axum::Json;
use identity::TokenId;
use node::{Credentials, IssuedToken, NewToken, NewUser, TokenView, UserView};
use serde::Deserialize;
use serde_json::{Value, json};
use vocabulary::Personal;

/// `GET /v1/users`.
pub(crate) async fn users(caller: Caller) -> Answer<Vec<UserView>> {
    Ok(Json(caller.org.users(&caller.principal).await?))
}

/// `POST /v1/users`: opens an account.
pub(crate) async fn create_user(caller: Caller, Body(user): Body<NewUser>) -> Answer<Value> {
    let name = user.name.clone();
    caller.org.create_user(&caller.principal, user).await?;
    Ok(Json(json!({"name": name})))
}

/// A password that an administrator gives.
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

//! Accounts and tokens.

use super::Answer;
use crate::caller::{Caller, Json as Body, Path};
use axum::Json;
use node::{NewToken, NewUser, UserView};
use serde_json::{Value, json};

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

/// `POST /v1/tokens`: issues a token and shows it once.
pub(crate) async fn create_token(caller: Caller, Body(token): Body<NewToken>) -> Answer<Value> {
    Ok(Json(json!({"token": caller.org.create_token(&caller.principal, token).await?})))
}

/// `DELETE /v1/tokens/{id}`: takes a token back.
pub(crate) async fn revoke_token(caller: Caller, Path(id): Path<String>) -> Answer<Value> {
    caller.org.revoke_token(&caller.principal, &id).await?;
    Ok(Json(json!({})))
}

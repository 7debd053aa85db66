//! The page of the API: Swagger UI over `/openapi.json`, wholly from this program, under a policy by which nothing else
//! runs or is asked.

use crate::Failure;
use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderName, HeaderValue, header};
use vocabulary::{Kind, Problem};

/// Only our own scripts run, only we are asked, nobody frames the page. Swagger UI draws its icons from `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
struct File {
    name: &'static str,
    media: &'static str,
    gzip: bool,
    bytes: &'static [u8],
}

macro_rules! vendored {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

const PAGE: File = File { name: "", media: HTML, gzip: false, bytes: include_bytes!("../../page/api.html") };

const FILES: [File; 5] = [
    File { name: "page.js", media: SCRIPT, gzip: false, bytes: include_bytes!("../../page/page.js") },
    File { name: "page.css", media: CSS, gzip: false, bytes: include_bytes!("../../page/page.css") },
    File { name: "swagger-ui-bundle.js", media: SCRIPT, gzip: true, bytes: vendored!("swagger-ui-bundle.js") },
    File { name: "swagger-ui.css", media: CSS, gzip: true, bytes: vendored!("swagger-ui.css") },
    File { name: "favicon-32x32.png", media: "image/png", gzip: false, bytes: vendored!("favicon-32x32.png") },
];

impl IntoResponse for &'static File {
    fn into_response(self) -> Response {
        let mut response = self.bytes.into_response();
        let mut set = |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, self.media);
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "no-referrer");
        set(header::CACHE_CONTROL, "no-cache");
        if self.gzip {
            // Every browser takes it; kept compressed only, for the sake of the program's size.
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }
}

/// `GET /`: there is no home page yet; a person is shown what can be asked.
pub(crate) async fn home() -> Redirect {
    Redirect::to("/api")
}

/// `GET /api`: the page of the API.
pub(crate) async fn api() -> Response {
    (&PAGE).into_response()
}

/// `GET /api/{file}`: what the page needs.
pub(crate) async fn file(Path(name): Path<String>) -> Result<Response, Failure> {
    let found = FILES.iter().find(|it| it.name == name).ok_or_else(|| {
        Problem::new(
            Kind::Missing,
            "web.file",
            format!("接口页面没有文件 {name}；请打开 /api"),
            format!("the page of the API has no file {name}; open /api"),
        )
    })?;
    Ok(found.into_response())
}

//! How often one address may be refused before it is told to wait. A valid token passes all the same, since many may
//! share an address behind a proxy; only signing in is refused before the password is looked at, for looking is dear.

use crate::{Failure, Tenants};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{Method, StatusCode};
use peer::RemoteAddress;
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use vocabulary::{Kind, Problem, Timestamp};

/// Addresses that are kept in mind at once; past them the longest known is forgotten.
const ADDRESSES_MAX: usize = 10_000;
/// Refusals are counted for this long from the first.
pub(crate) const WINDOW_SECONDS: i64 = 60;
/// Failed sign-ins of one address in that time.
pub(crate) const SIGN_INS_MAX: u32 = 20;
/// Refused calls of one address in that time.
pub(crate) const REFUSALS_MAX: u32 = 600;

/// Where a password is shown.
const KNOCKS: [&str; 4] = ["/v1/sessions", "/v1/passwords", "/v1/second-factors", "/v1/second-factors/confirmation"];

/// Refusals by address, in windows of [`WINDOW_SECONDS`].
#[derive(Debug)]
struct Book {
    most: u32,
    windows: HashMap<IpAddr, Window>,
    /// In the order in which windows began.
    order: VecDeque<(IpAddr, Timestamp)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    count: u32,
}

impl Window {
    /// Seconds until it ends; none once it has.
    fn left(self, now: Timestamp) -> Option<i64> {
        let left = WINDOW_SECONDS - now.duration_since(self.since).as_secs();
        (left > 0).then_some(left)
    }
}

impl Book {
    fn new(most: u32) -> Self {
        Self { most, windows: HashMap::new(), order: VecDeque::new() }
    }

    /// For how many seconds an address has spent its refusals.
    fn spent(&self, address: IpAddr, now: Timestamp) -> Option<i64> {
        self.windows.get(&address).filter(|it| it.count >= self.most).and_then(|it| it.left(now))
    }

    /// Counts a refusal; says for how many seconds the address had spent them before it.
    fn count(&mut self, address: IpAddr, now: Timestamp) -> Option<i64> {
        let spent = self.spent(address, now);
        match self.windows.get_mut(&address).filter(|it| it.left(now).is_some()) {
            Some(window) => window.count = window.count.saturating_add(1),
            None => self.begin(address, now),
        }
        spent
    }

    fn begin(&mut self, address: IpAddr, now: Timestamp) {
        while let Some((oldest, since)) = self.order.front().copied() {
            let ended = Window { since, count: 0 }.left(now).is_none();
            if !ended && self.windows.len() < ADDRESSES_MAX {
                break;
            }
            self.order.pop_front();
            // It may have begun another one since.
            if self.windows.get(&oldest).is_some_and(|it| it.since == since) {
                self.windows.remove(&oldest);
            }
        }
        self.windows.insert(address, Window { since: now, count: 1 });
        self.order.push_back((address, now));
    }
}

/// The books of one client port.
#[derive(Clone)]
pub(crate) struct Throttle {
    tenants: Tenants,
    sign_ins: Arc<Mutex<Book>>,
    refusals: Arc<Mutex<Book>>,
}

impl Throttle {
    pub(crate) fn new(tenants: Tenants) -> Self {
        let book = |most| Arc::new(Mutex::new(Book::new(most)));
        Self { tenants, sign_ins: book(SIGN_INS_MAX), refusals: book(REFUSALS_MAX) }
    }
}

/// One address as it counts: of IPv6 the network, since whoever has one has all of it.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((u128::from(it) & (u128::MAX << 64)).into()),
        it @ IpAddr::V4(_) => it,
    }
}

fn too_many(seconds: i64) -> Problem {
    Problem::new(
        Kind::TooMany,
        "web.too_many",
        format!("来自此地址的被拒请求过多；请 {seconds} 秒后再试"),
        format!("too many calls from this address were refused; try again in {seconds} s"),
    )
    .with("retry_after_seconds", seconds)
}

/// Counts what is refused, and past the bound says so instead.
pub(crate) async fn guard(State(throttle): State<Throttle>, request: Request, next: Next) -> Response {
    let remote = request.extensions().get::<RemoteAddress>().map(|it| counted(it.0.ip()));
    let (Some(address), Some(org)) = (remote, throttle.tenants.all().next()) else { return next.run(request).await };
    let knocks = request.method() == Method::POST && KNOCKS.contains(&request.uri().path());
    let book = if knocks { &throttle.sign_ins } else { &throttle.refusals };
    let now = org.now();
    let lock = || book.lock().unwrap_or_else(PoisonError::into_inner);
    if knocks && let Some(seconds) = lock().spent(address, now) {
        return Failure(too_many(seconds)).into_response();
    }
    let response = next.run(request).await;
    // What a service refuses is its own business, and comes back as it is.
    if crate::routes::call::of_service(&response) {
        return response;
    }
    let refused = match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::TOO_MANY_REQUESTS => knocks,
        _ => false,
    };
    match refused.then(|| lock().count(address, now)).flatten() {
        Some(seconds) => Failure(too_many(seconds)).into_response(),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn past_its_bound_an_address_waits_for_the_end_of_its_window() {
        let mut book = Book::new(3);
        let told: Vec<_> = (0..5).map(|second| book.count(address(1), at(second))).collect();
        assert_eq!(told, [None, None, None, Some(57), Some(56)]);
        assert_eq!((book.spent(address(1), at(59)), book.spent(address(1), at(60))), (Some(1), None));
        assert_eq!(book.count(address(2), at(5)), None, "another address is not to blame");
        assert_eq!(book.count(address(1), at(60)), None, "a new window");
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_longest_known() {
        let mut book = Book::new(1);
        for number in 0..3 * u32::try_from(ADDRESSES_MAX).unwrap() {
            book.count(address(number), at(i64::from(number) / 1_000));
        }
        assert!(book.windows.len() <= ADDRESSES_MAX && book.order.len() <= ADDRESSES_MAX);
        assert!(book.spent(address(0), at(30)).is_none());
        assert!(book.spent(address(3 * 10_000 - 1), at(30)).is_some());
        book.count(address(1), at(1_000));
        assert_eq!((book.windows.len(), book.order.len()), (1, 1), "ended windows are forgotten");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let [one, other] = ["2001:db8::1", "2001:db8::ffff:2"].map(|it| counted(it.parse().unwrap()));
        assert_eq!(one, other);
        assert_ne!(one, counted("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(counted("::ffff:10.0.0.1".parse().unwrap()), counted("10.0.0.1".parse().unwrap()));
    }
}

//! A world for stories: four organisations in three nodes of one federation, over real mutual TLS on loopback, with a
//! clock that the story moves, on SQLite or on PostgreSQL.
//!
//! Nothing is mocked. Each node has a runtime of its own, so that a story can kill it: all its tasks end where they
//! stand, nothing is closed, and it starts again on the same folder and the same addresses.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod backup;
mod batch;
mod caller;
mod database;
mod exchange;
mod founding;
mod hostile;
mod impostor;
mod node;
mod outside;
mod people;
mod province;
mod relay;
mod service;
mod world;

pub use batch::{draw, pull_state, whole};
pub use caller::{Caller, Desk, Reply, install_cryptography};
pub use database::Database;
pub use founding::Founding;
pub use hostile::{AnyServer, Hostile, Letter, Line};
pub use impostor::{Forged, Impostor, Lie};
pub use outside::Outside;
pub use people::{FIRST_PASSWORD, PASSWORD, enter_administrators, open_account, own_token};
pub use province::{PURPOSE, Province, import_path, pack_files};
pub use relay::Relay;
pub use service::{Seen, TestService};
pub use world::{LEVELS, ORGANISATIONS, World, free_addresses, noon, own_loopback};

/// A story in a world of levels, told twice, as [`story!`] tells one.
#[macro_export]
macro_rules! story_of_levels {
    ($(#[doc = $doc:literal])* async fn $name:ident($($world:tt)*) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn story($($world)*) $body

            #[tokio::test]
            async fn on_sqlite() {
                story($crate::World::of_levels($crate::Database::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                if let Some(database) = $crate::Database::postgres() {
                    story($crate::World::of_levels(database).await).await;
                }
            }
        }
    };
}

/// A story, told twice: on SQLite, and on PostgreSQL where `YUNHE_TEST_POSTGRES` names a server.
///
/// `story! { /// What holds. async fn it_holds(world: World) { … } }`
#[macro_export]
macro_rules! story {
    ($(#[doc = $doc:literal])* async fn $name:ident($($world:tt)*) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn story($($world)*) $body

            #[tokio::test]
            async fn on_sqlite() {
                story($crate::World::new($crate::Database::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                if let Some(database) = $crate::Database::postgres() {
                    story($crate::World::new(database).await).await;
                }
            }
        }
    };
}

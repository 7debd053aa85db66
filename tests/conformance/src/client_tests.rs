//! The generated TypeScript client against a node that serves.

use std::{path::Path, process::Command};
use testkit::{Database, Province, World};

/// Two sound rows of the sample and one with a wrong check digit, by the columns of the record type.
fn file() -> String {
    let columns = ["uscc", "name", "kind", "founded", "industry", "capital", "status", "authority", "division"];
    let province = Province::draw(100);
    let rows: Vec<String> = province
        .sound(&columns)
        .values()
        .take(2)
        .map(|row| columns.iter().map(|it| row[*it].as_str()).collect::<Vec<_>>().join(","))
        .collect();
    let digit = if &rows[0][17..18] == "7" { "8" } else { "7" };
    let wrong = format!("{}{digit}{}", &rows[0][..17], &rows[0][18..]);
    [columns.join(","), rows[0].clone(), rows[1].clone(), wrong].join("\n")
}

/// Its types hold under `strict`, and it imports, reads, searches and hears refusals.
#[tokio::test(flavor = "multi_thread")]
async fn the_generated_client_does_the_job() {
    let world = World::new(Database::Sqlite).await;
    world.install_packs(|_, text| text).await;
    let token = world.token("js-scjg", "data-steward").await;
    let address = format!("http://{}", world.client_port("js-scjg"));
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("typescript/run.sh");
    let mut run = Command::new(run);
    run.args([&address, "js-scjg", &token, &file()]);
    let output = tokio::task::spawn_blocking(move || run.output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        eprintln!("{said}");
        return;
    }
    assert!(output.status.success() && said.contains("2 rows imported and read"), "{said}");
}

//! Measures an import: `import_speed FILE.csv URL RECORD.yaml [atomic] [again]`. A file that is not there is made: a
//! million rows of the sample. Prints seconds, rows a second and the most memory that was resident.
//!
//! `cargo run --profile fast -p registry --example import_speed -- p.csv sqlite:p.db legal-person.yaml`

use policy::{Facts, Principal, Role, decide};
use registry::{
    Import, ImportId, Install, Intake, Mapping, SecrecyReview, Selection, import, install, migrate, select,
};
use schema::{AnyCode, RecordType};
use std::{fs::File, path::Path, sync::Arc, time::Instant};
use store::{Store, transact};
use vocabulary::{Date, OrganisationId, Timestamp, uuid::Uuid};

/// Rows of the sample.
const ROWS: u64 = 1_000_000;

fn now() -> Timestamp {
    Timestamp::constant(1_790_000_000, 0)
}

fn permit<A: policy::Ask>(ask: A) -> policy::Permit<A> {
    let organisation = OrganisationId::new("js-scjg").expect("a name");
    let principal = Principal::job(organisation.clone(), "bench", [Role::Administrator, Role::DataSteward]);
    decide(&Facts { organisation, principal, now: now(), agreement: None }, ask).expect("its roles suffice")
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|it| it.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, file, url, yaml, flags @ ..] = args.as_slice() else { return Err("FILE URL RECORD".into()) };
    if !Path::new(file).exists() {
        let mut out = std::io::BufWriter::new(File::create(file)?);
        sample::legal_persons(7, ROWS, &mut out)?;
    }
    let record: RecordType = serde_saphyr::from_str(&std::fs::read_to_string(yaml)?)?;
    let store = Store::open(url, "import_speed").await?;
    migrate(&store).await?;
    let ask = permit(Install { record: record.clone() });
    transact!(store, None, |tx| install(tx, &ask, now()).await)?;
    for turn in 0..if flags.contains(&"again".to_owned()) { 2 } else { 1 } {
        let permit = permit(Import {
            id: ImportId::from_uuid(Uuid::from_u128((0x0197_u128 << 112) | 7 << 76 | 2 << 62 | turn << 40)),
            record: record.name.clone(),
            mapping: Mapping::by_name(&record),
            source: file.clone(),
            why: "bench".into(),
            secrecy_review: Some(SecrecyReview { by: "bench".into(), on: Date::constant(2026, 11, 1) }),
            atomic: flags.contains(&"atomic".to_owned()),
        });
        let intake = Intake { source: Box::new(File::open(file)?), codes: Arc::new(AnyCode), clock: &now };
        let begun = Instant::now();
        let done = import(&store, &permit, intake, &mut |_| {}).await?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{} read, {} loaded, {} same, {} rejected", done.read, done.loaded, done.same, done.rejected);
        #[expect(clippy::cast_precision_loss, reason = "a figure to read")]
        let rate = done.read as f64 / seconds;
        println!("{seconds:.2} s, {rate:.0} rows/s, {}", resident());
    }
    let mut rows = 0_u32;
    let begun = Instant::now();
    select(&mut store.read().await?, &record, &Selection::all(&record), |_| {
        rows += 1;
        Ok(())
    })
    .await?;
    println!("{rows} read back in the order of their keys in {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

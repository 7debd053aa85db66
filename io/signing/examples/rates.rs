//! How many signatures a second one core makes and verifies, by suite. Bounded: four times a second of work.
//! `cargo run --profile fast -p signing --example rates`

use signing::SigningKey;
use std::hint::black_box;
use std::time::{Duration, Instant};
use vocabulary::Suite;

/// Bytes of the message: about a receipt's.
const MESSAGE: [u8; 400] = [7; 400];
/// How long each figure is measured.
const MEASURED: Duration = Duration::from_secs(1);

fn per_second(work: impl Fn()) -> f64 {
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < MEASURED {
        (0..16).for_each(|_| work());
        done += 16;
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}

fn main() {
    for suite in Suite::ALL {
        let key = SigningKey::from_seed(suite, &[1; 32]);
        let (public, signature) = (key.public(), key.sign(&MESSAGE));
        let signs = per_second(|| drop(black_box(key.sign(&MESSAGE))));
        let verifies = per_second(|| public.verify(&MESSAGE, &signature).expect("it was just made"));
        println!("{suite}: {signs:.0} signed, {verifies:.0} verified a second");
    }
}

//! Takes what the page of the API needs out of the vendored archive of Swagger UI. The archive's compressed bytes are
//! kept as they are and only get the frame of gzip, so that nobody compresses: not this step, not the program.

use std::{env, fs, io::Cursor, io::Read as _, path::Path};

const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

/// RFC 1952: deflate, no flags, no time, no particular system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let archive = Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED);
    let mut archive = zip::ZipArchive::new(archive).expect("the vendored archive is a zip");
    for wanted in FILES {
        let end = format!("/dist/{wanted}");
        let is_it = |name: &str| name.ends_with(&end) && !name.contains("/flavors/");
        let found = archive.file_names().filter_map(Result::ok).find(|it| is_it(it)).map(|it| it.into_owned());
        let name = found.unwrap_or_else(|| panic!("the vendored Swagger UI has no dist/{wanted}"));
        let index = archive.index_for_name(&name).expect("its name was just read");
        let mut file = archive.by_index_raw(index).expect("a file of the archive");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("bytes in memory");
        let bytes = match file.compression() {
            zip::CompressionMethod::Stored => bytes,
            _ => gzip(&bytes, file.crc32(), file.size()),
        };
        fs::write(Path::new(&out).join(wanted), bytes).expect("OUT_DIR can be written");
    }
}

/// What deflate made, in the frame of gzip.
fn gzip(deflated: &[u8], checksum: u32, size: u64) -> Vec<u8> {
    let size = u32::try_from(size).expect("a file of less than 4 GiB");
    [&GZIP_HEAD, deflated, &checksum.to_le_bytes(), &size.to_le_bytes()].concat()
}

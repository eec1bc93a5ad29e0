//! Other forms of a module's file: compressed in several ways, and signed by somebody whom the kernel does not know.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use vm_guest::signature;
use xz2::stream::{Check, Filters, LzmaOptions, Stream};

/// The module in the form that a suffix stands for.
///
/// # Errors
/// When there is no such form, or a program that makes it fails.
pub fn of(module: &[u8], suffix: &str) -> Result<Vec<u8>> {
    Ok(match suffix {
        // The kernel's build uses this check, the only one that every decoder of modules knows.
        "xz" => xz(module, Check::Crc32)?,
        // What the xz program does unless it is told otherwise.
        "crc64.xz" => xz(module, Check::Crc64)?,
        // What a parallel xz may make of a file: one stream behind the other.
        "two.xz" => {
            let (one, other) = module.split_at(module.len() / 2);
            [xz(one, Check::Crc32)?, xz(other, Check::Crc32)?].concat()
        }
        "gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(module)?;
            encoder.finish()?
        }
        "zst" => zstd::stream::encode_all(module, 3)?,
        "signed" => signed(module)?,
        _ => bail!("no module has the suffix .{suffix}"),
    })
}

fn xz(content: &[u8], check: Check) -> Result<Vec<u8>> {
    let mut filters = Filters::new();
    filters.lzma2(&LzmaOptions::new_preset(6)?);
    let stream = Stream::new_stream_encoder(&filters, check)?;
    let mut encoder = xz2::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// The module with a signature of a new key in the place of its own, as the kernel's `sign-file` makes it: a message of
/// CMS without content, certificates and attributes.
fn signed(module: &[u8]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let content = signature::unsigned(module);
    fs::write(at("module"), &content)?;
    let subject = format!("/CN={}", signature::OWN_SIGNER);
    let certificate = ["req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650"];
    openssl(
        directory.path(),
        &[&certificate[..], &["-subj", &subject, "-keyout", "key", "-out", "certificate"]].concat(),
    )?;
    let signing = ["cms", "-sign", "-binary", "-noattr", "-nocerts", "-nosmimecap", "-md", "sha256"];
    let files =
        ["-signer", "certificate", "-inkey", "key", "-in", "module", "-outform", "DER", "-out", "message"];
    openssl(directory.path(), &[&signing[..], &files].concat())?;
    let message = fs::read(at("message"))?;
    let len = u32::try_from(message.len())?;
    // Of the fields before the length only the kind counts: 2 is PKCS#7.
    Ok([&*content, &message, &[0, 0, 2, 0, 0, 0, 0, 0], &len.to_be_bytes(), signature::MARK].concat())
}

fn openssl(directory: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("openssl");
    let output = command.args(arguments).current_dir(directory).output().context("cannot run openssl")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl {}: {said}", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_form_of_xz_holds_the_module() {
        for (suffix, check) in [("xz", 1), ("crc64.xz", 4), ("two.xz", 1)] {
            let packed = of(b"the module", suffix).unwrap();
            assert_eq!(packed[7], check, "{suffix}");
            let mut plain = Vec::new();
            xz2::read::XzDecoder::new_multi_decoder(&*packed).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, b"the module", "{suffix}");
        }
    }
}

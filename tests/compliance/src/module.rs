//! A module file as a case describes it.

use anyhow::{Context, Result, bail, ensure};
use fixtures::{Compression, CrcStyle, Kind, Module, Signature, Tree, compress};

use crate::case::Block;
use crate::words;

/// The tree with the module file that a block describes.
pub fn planted(tree: Tree, block: &Block<'_>) -> Result<Tree> {
    let mut options = block.rest.split_whitespace();
    let path = words::unescape(options.next().context("a path is needed")?)?;
    let path = std::str::from_utf8(&path).context("the path of a module has to be text")?;
    let base = path.rsplit('/').next().unwrap_or(path);
    let mut module = Module::new(base.split('.').next().unwrap_or(base));
    let mut how = Compression::of_name(path);
    let mut cut = None;
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "kind" => module = module.kind(kind(value)?),
            "crc" => module = module.crc_style(crc_style(value)?),
            "packed" => how = Compression::of_name(value),
            "cut" => cut = Some(value.parse::<usize>()?),
            "signed" => module = module.signed(Signature::pkcs7(&[0x30; 64])),
            "extended" => module = module.extended_versions(),
            "without-symbol-table" => module = module.without_symbol_table(),
            unknown => bail!("unknown option '{unknown}'"),
        }
    }
    for line in &block.body {
        module = fact(module, line).with_context(|| format!("in line: {line}"))?;
    }
    let Some(cut) = cut else { return Ok(tree.module_packed(path, module, how)) };
    let mut bytes = compress(&module.bytes(), how)?;
    ensure!(cut < bytes.len(), "the file has only {} bytes", bytes.len());
    bytes.truncate(cut);
    Ok(tree.file(path, bytes))
}

/// One line about a module: `key=value` for `.modinfo`, or a symbol.
fn fact(module: Module, line: &str) -> Result<Module> {
    let words: Vec<&str> = line.split(' ').collect();
    let crc = |text: &str| {
        let digits = text.strip_prefix("0x").context("a checksum is written 0x...")?;
        Ok::<_, anyhow::Error>(u32::from_str_radix(digits, 16)?)
    };
    Ok(match words.as_slice() {
        ["export", name] => module.export(words::unescape(name)?, 0),
        ["export", name, sum] => module.export(words::unescape(name)?, crc(sum)?),
        ["need", name] => module.need(words::unescape(name)?),
        ["need", name, sum] => module.versioned_need(words::unescape(name)?, crc(sum)?),
        ["weak", name] => module.weak_need(words::unescape(name)?),
        ["weak", name, sum] => module.weak_versioned_need(words::unescape(name)?, crc(sum)?),
        ["version", name, sum] => module.version(words::unescape(name)?, crc(sum)?),
        ["register", name] => module.register(name),
        ["signature", fields @ ..] => module.signed(signature(fields)?),
        ["section", name, data @ ..] => module.section(name, &words::unescape(&data.join(" "))?),
        ["info", rest @ ..] => module.info(words::unescape(&rest.join(" "))?),
        _ if line.contains('=') => module.info(words::unescape(line)?),
        _ => bail!("neither key=value nor a symbol"),
    })
}

/// `id=2 algorithm=0 hash=0 signer=TEXT key=HEX data=HEX`, as far as they are given.
fn signature(fields: &[&str]) -> Result<Signature> {
    let hex = |text: &str| {
        let digits = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2).unwrap_or("?"));
        digits.map(|digits| Ok(u8::from_str_radix(digits, 16)?)).collect::<Result<Vec<u8>>>()
    };
    let mut signature = Signature::pkcs7(&[]);
    for field in fields {
        let (key, value) = field.split_once('=').context("KEY=VALUE is needed")?;
        match key {
            "id" => signature.id_type = value.parse()?,
            "algorithm" => signature.algorithm = value.parse()?,
            "hash" => signature.hash = value.parse()?,
            "signer" => signature.signer = words::unescape(value)?,
            "key" => signature.key_id = hex(value)?,
            "data" => signature.signature = hex(value)?,
            unknown => bail!("unknown field '{unknown}'"),
        }
    }
    Ok(signature)
}

fn kind(name: &str) -> Result<Kind> {
    Ok(match name {
        "le64" => Kind::LE64,
        "le32" => Kind::LE32,
        "be64" => Kind::BE64,
        "be32" => Kind::BE32,
        "sparc64" => Kind::SPARC64,
        "sparc32" => Kind::SPARC32,
        unknown => bail!("unknown kind '{unknown}'"),
    })
}

fn crc_style(name: &str) -> Result<CrcStyle> {
    Ok(match name {
        "absolute" => CrcStyle::Absolute,
        "section" => CrcStyle::Section,
        "none" => CrcStyle::None,
        unknown => bail!("unknown place of checksums '{unknown}'"),
    })
}

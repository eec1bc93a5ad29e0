//! All loaded modules at one look, from `/proc/modules`: a few hundred would be a thousand files in sysfs.
//!
//! Only for choosing candidates. Before a module goes, the kernel is asked again about it alone.

use std::collections::BTreeMap;

use modfile::ModuleName;
use modkernel::ModuleState;

use super::policy::Standing;

/// Every loaded module's line. A line that is not understood gives no entry.
pub(crate) fn parse(text: &[u8]) -> BTreeMap<ModuleName, Standing> {
    text.split(|&byte| byte == b'\n').filter_map(line).collect()
}

/// `NAME SIZE COUNT HOLDERS STATE ADDRESS [TAINT]` (proc(5)); the holders are `-` or end in a comma each, and
/// `[permanent]` stands among them. A kernel that cannot unload writes `-` for the count.
fn line(line: &[u8]) -> Option<(ModuleName, Standing)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let name = fields.next()?;
    let count = fields.nth(1)?;
    let users = fields.next()?;
    let state = match fields.next()? {
        b"Live" => ModuleState::Live,
        b"Loading" => ModuleState::Coming,
        _ => ModuleState::Going,
    };
    let users: Vec<_> =
        users.split(|&byte| byte == b',').filter(|user| !matches!(*user, b"" | b"-")).collect();
    let standing = Standing {
        state,
        use_count: std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()),
        permanent: users.contains(&&b"[permanent]"[..]),
        holders: users.into_iter().filter(|user| *user != b"[permanent]").map(ModuleName::new).collect(),
        wanted: None,
    };
    Some((ModuleName::new(name), standing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_count_holders_and_state() {
        let loaded = parse(
            b"can_raw 20480 0 - Live 0x0000000000000000\n\
              can 28672 1 can_raw,can_bcm, Live 0xffffffffc0a00000 (OE)\n\
              stuck 100 1 [permanent], Live 0x0\n\
              coming 100 1 - Loading 0x0\n\
              going 100 -1 - Unloading 0x0\n\
              uncounted 100 - - Live 0x0\n\
              short 100\n",
        );
        let standing = |name: &str| loaded.get(&name.into()).unwrap();
        let can = standing("can");
        assert_eq!((can.state, can.use_count), (ModuleState::Live, Some(1)));
        assert_eq!(can.holders, ["can_raw".into(), "can_bcm".into()]);
        let raw = standing("can_raw");
        assert_eq!((raw.use_count, raw.holders.len(), raw.permanent), (Some(0), 0, false));
        let stuck = standing("stuck");
        assert_eq!((stuck.permanent, stuck.holders.len()), (true, 0));
        assert_eq!(standing("coming").state, ModuleState::Coming);
        assert_eq!((standing("going").state, standing("going").use_count), (ModuleState::Going, None));
        assert_eq!(standing("uncounted").use_count, None);
        assert_eq!(loaded.len(), 6);
    }
}

//! `/proc/modules`: all loaded modules at one look, where sysfs would be several files for each.
//!
//! What the list says about one module may be out of date when the next is read. Before a module is unloaded, the
//! kernel is asked again about it alone. The text is passed in.

use modfile::ModuleName;

use crate::ops::ModuleState;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedModule {
    /// The module's name.
    pub name: ModuleName,
    /// The bytes of memory that its code and data take.
    pub size: Option<u64>,
    /// How many users the kernel counts; `None` where it cannot unload modules and counts nothing (`-`). A module
    /// that is going has -1.
    pub use_count: Option<i64>,
    /// The modules that use it, in the kernel's order.
    pub holders: Vec<ModuleName>,
    /// Whether the kernel can never unload it.
    pub permanent: bool,
    /// Its state; [`ModuleState::Absent`] is never one.
    pub state: ModuleState,
    /// The letters of how it taints the kernel, as in its file `taint` of sysfs; none for most.
    pub taint: Vec<u8>,
}

/// The lines of `/proc/modules` in its order. A line that has no name and no state is left out.
pub fn parse(text: &[u8]) -> impl Iterator<Item = LoadedModule> {
    text.split(|&byte| byte == b'\n').filter_map(line)
}

/// `NAME SIZE COUNT HOLDERS STATE ADDRESS [(TAINT)]`, as `m_show` of kernel/module/procfs.c writes it. The holders
/// are `-` or each ends in a comma, and `[permanent]` stands among them.
fn line(line: &[u8]) -> Option<LoadedModule> {
    let mut fields = line.split(|&byte| byte == b' ');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let (size, count, users) = (fields.next()?, fields.next()?, fields.next()?);
    let state = match fields.next()? {
        b"Live" => ModuleState::Live,
        b"Loading" => ModuleState::Coming,
        _ => ModuleState::Going,
    };
    let taint = fields.nth(1).and_then(|taint| taint.strip_prefix(b"(")?.strip_suffix(b")"));
    let users: Vec<_> =
        users.split(|&byte| byte == b',').filter(|user| !matches!(*user, b"" | b"-")).collect();
    Some(LoadedModule {
        name: ModuleName::new(name),
        size: number(size),
        use_count: number(count),
        permanent: users.contains(&&b"[permanent]"[..]),
        holders: users.into_iter().filter(|user| *user != b"[permanent]").map(ModuleName::new).collect(),
        state,
        taint: taint.unwrap_or_default().to_vec(),
    })
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_size_count_holders_state_and_taint() {
        let loaded: Vec<_> = parse(
            b"can_raw 20480 0 - Live 0x0000000000000000\n\
              can 28672 1 can_raw,can_bcm, Live 0xffffffffc0a00000 (OE)\n\
              stuck 100 1 [permanent], Live 0x0\n\
              coming 100 1 - Loading 0x0\n\
              going 100 -1 - Unloading 0x0\n\
              uncounted 100 - - Live 0x0\n\
              short 100\n\
              \n",
        )
        .collect();
        let names: Vec<_> = loaded.iter().map(|loaded| loaded.name.to_text().into_owned()).collect();
        assert_eq!(names, ["can_raw", "can", "stuck", "coming", "going", "uncounted"]);
        let [raw, can, stuck, coming, going, uncounted] = loaded.try_into().unwrap();
        assert_eq!((raw.size, raw.use_count, raw.holders.len()), (Some(20_480), Some(0), 0));
        assert_eq!((raw.permanent, raw.taint.as_slice()), (false, &b""[..]));
        assert_eq!((can.state, can.use_count, can.taint), (ModuleState::Live, Some(1), b"OE".to_vec()));
        assert_eq!(can.holders, ["can_raw".into(), "can_bcm".into()]);
        assert_eq!((stuck.permanent, stuck.holders.len()), (true, 0));
        assert_eq!(coming.state, ModuleState::Coming);
        assert_eq!((going.state, going.use_count), (ModuleState::Going, Some(-1)));
        assert_eq!(uncounted.use_count, None);
    }

    #[test]
    fn a_number_that_is_none_is_not_made_one() {
        let [loaded] = parse(b"a big many - Live 0x0").collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((loaded.size, loaded.use_count), (None, None));
    }
}

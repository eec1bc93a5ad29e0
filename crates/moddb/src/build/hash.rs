//! The hash whose order shows in what depmod writes.
//!
//! kmod keeps modules and symbols in hash tables and writes them table order, so to write the same bytes one
//! needs the same function: Paul Hsieh's SuperFastHash with 16-bit little-endian loads.

/// The hash of a key, in 32 bits that wrap.
#[must_use]
pub fn hash(key: &[u8]) -> u32 {
    let mut hash = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (quads, rest) = key.as_chunks::<4>();
    for &[a, b, c, d] in quads {
        hash = hash.wrapping_add(half(a, b));
        let mixed = (half(c, d) << 11) ^ hash;
        hash = (hash << 16) ^ mixed;
        hash = hash.wrapping_add(hash >> 11);
    }
    match *rest {
        [a, b, c] => {
            hash = hash.wrapping_add(half(a, b));
            hash ^= hash << 16;
            hash ^= u32::from(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(half(a, b));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(u32::from(a));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

/// The position of a key in a table of that many buckets: by bucket, then by bytes.
#[must_use]
pub fn table_order(key: &[u8], buckets: u32) -> (u32, &[u8]) {
    (hash(key) % buckets, key)
}

fn half(low: u8, high: u8) -> u32 {
    u32::from(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn known_keys_have_known_hashes() {
        for (key, value) in [
            ("a", 0x115e_a782),
            ("ab", 0x516b_8b44),
            ("abc", 0xd2be_198a),
            ("ext4", 0xe679_ab16),
            ("mod_loop_d", 0x1903_9612),
            ("printk", 0x6a08_63d1),
        ] {
            assert_eq!(hash(key.as_bytes()), value, "{key}");
        }
    }
}

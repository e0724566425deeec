//! One dispatch as several: where a kernel would run too long, its workgroups are dispatched in parts, between which the
//! device may do something else, such as draw the desktop.
//!
//! A kernel's instance for parts finds its place in the whole from a uniform: its workgroups do what they do in one dispatch,
//! so the bits are the same.

use super::launch::Launch;

/// The constant that asks for the instance.
pub(super) const PARTED: (&str, u32) = ("PARTED", 1);
/// Its uniform.
pub(super) const NAME: &str = "dispatch_part";
/// Bytes of the uniform: the first workgroup of the part, and the workgroups of the whole, each padded to 16.
pub(super) const BYTES: u64 = 32;
/// Most parts of a dispatch: beyond, it is the device that is too slow.
const MOST: usize = 64;

/// Workgroups of a dispatch that are dispatched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The first of them.
    pub(super) base: [u32; 3],
    /// How many along each dimension.
    pub(super) groups: [u32; 3],
}

impl Part {
    /// What the uniform holds.
    pub(super) fn bytes(&self, whole: [u32; 3]) -> [u8; BYTES as usize] {
        let [[x, y, z], [w, h, d]] = [self.base, whole];
        let mut bytes = [0; BYTES as usize];
        bytes.copy_from_slice(bytemuck::cast_slice(&[x, y, z, 0, w, h, d, 0]));
        bytes
    }
}

/// Cuts a launch that should take `seconds` into parts of at most `limit`, as far as it has workgroups: along the
/// dimension that has most of them. One part is the launch as it is.
pub(super) fn cut(launch: &mut Launch, seconds: f64, limit: f64) -> Vec<Part> {
    let whole = Part { base: [0; 3], groups: launch.groups };
    let axis = (0..3).max_by_key(|&axis| (launch.groups[axis], 2 - axis)).unwrap_or(0);
    let groups = launch.groups[axis] as usize;
    let count = ((seconds / limit).ceil() as usize).clamp(1, MOST).min(groups.max(1));
    if count == 1 {
        return vec![whole];
    }
    launch.constants.push(PARTED);
    let at = |i: usize| (i * groups / count) as u32;
    let part = |i: usize| {
        let mut part = whole;
        (part.base[axis], part.groups[axis]) = (at(i), at(i + 1) - at(i));
        part
    };
    (0..count).map(part).collect()
}

/// The instance for parts of a kernel's complete text.
pub(super) fn instance(text: &str) -> Result<String, String> {
    const SIZE: &str = "@workgroup_size(";
    let bad = || "an entry point is not written as they are".to_string();
    let (mut made, mut rest) = (String::with_capacity(2 * text.len()), text);
    while let Some(at) = rest.find(SIZE) {
        let (size, behind) = rest[at + SIZE.len()..].split_once(')').ok_or_else(bad)?;
        let open = behind.find('(').ok_or_else(bad)?;
        let close = open + closing(&behind[open..]).ok_or_else(bad)?;
        let body = close + behind[close..].find('{').ok_or_else(bad)?;
        let mut arguments = behind[open..close].to_string();
        let mut prologue = String::new();
        for (builtin, here) in [
            ("workgroup_id", format!("+ {NAME}.base")),
            ("global_invocation_id", format!("+ {NAME}.base * vec3u({size}, 1u, 1u)")),
            ("num_workgroups", String::new()),
        ] {
            let mark = format!("@builtin({builtin}) ");
            let Some(at) = arguments.find(&mark) else { continue };
            let name = arguments[at + mark.len()..].split(':').next().ok_or_else(bad)?.trim().to_string();
            arguments = arguments.replace(&format!("{mark}{name}:"), &format!("{mark}{name}_here:"));
            prologue.push_str(&match here.is_empty() {
                true => format!(" let {name} = {NAME}.groups;"),
                false => format!(" let {name} = {name}_here {here};"),
            });
        }
        made.push_str(&rest[..at + SIZE.len()]);
        made.push_str(&[size, ")", &behind[..open], &arguments, &behind[close..=body], &prologue].concat());
        rest = &behind[body + 1..];
    }
    made.push_str(rest);
    made.push_str(&format!(
        "\nstruct DispatchPart {{ base: vec3u, groups: vec3u }}\n@group(0) @binding(30) var<uniform> {NAME}: DispatchPart;\n"
    ));
    Ok(made)
}

/// Where the parenthesis that opens the text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, character)| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        for (groups, seconds, count) in [
            ([100, 1, 1], 0.05, 1),
            ([100, 1, 1], 0.35, 4),
            ([3, 900, 2], 1e9, 64),
            ([2, 1, 1], 5.0, 2),
            ([0, 1, 1], 5.0, 1),
        ] {
            let mut launch = Launch::new("matmul_small", "matmul");
            launch.groups = groups;
            let parts = cut(&mut launch, seconds, 0.1);
            assert_eq!(parts.len(), count, "{groups:?}");
            assert_eq!(launch.constants.contains(&PARTED), count > 1);
            let axis = if groups[1] > groups[0] { 1 } else { 0 };
            let mut next = 0;
            for part in &parts {
                assert_eq!(part.base[axis], next);
                next += part.groups[axis];
                assert!((0..3).filter(|&i| i != axis).all(|i| part.groups[i] == groups[i] && part.base[i] == 0));
            }
            assert_eq!(next, groups[axis]);
        }
    }

    #[test]
    fn places_are_those_of_the_whole() {
        let text = "@compute @workgroup_size(N)\nfn f(\n    @builtin(workgroup_id) group: vec3u,\n    @builtin(num_workgroups) \
                    groups: vec3u) { a(); }\n@compute @workgroup_size(64)\nfn g(@builtin(global_invocation_id) id: vec3u) {}";
        let made = instance(text).unwrap();
        for part in [
            "@builtin(workgroup_id) group_here: vec3u",
            "{ let group = group_here + dispatch_part.base; let groups = dispatch_part.groups; a(); }",
            "fn g(@builtin(global_invocation_id) id_here: vec3u) { let id = id_here + dispatch_part.base * vec3u(64, 1u, 1u);}",
        ] {
            assert!(made.contains(part), "{made}");
        }
    }
}

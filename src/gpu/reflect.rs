//! What a kernel's text says of itself: bindings, parameters, workgroup sizes.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess, TypeInner};

use super::parts;

/// A storage variable that an entry point uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub name: String,
    pub index: u32,
    pub writes: bool,
}

/// The uniform `params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Params {
    pub index: u32,
    /// Bytes of the whole structure.
    pub size: u32,
    /// Names and byte offsets; every field is a 32-bit scalar.
    pub fields: Vec<(String, u32)>,
}

/// One entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryPoint {
    pub name: String,
    pub workgroup: [u32; 3],
    /// FloatFormat variables of group 0, by index.
    pub bindings: Vec<Binding>,
    pub params: Option<Params>,
    /// Where it finds which part of a dispatch it is, in an instance for parts.
    pub part: Option<u32>,
    /// Whether it reads the clock, group 1.
    pub clock: bool,
}

/// The entry points of a complete text.
pub(super) fn reflect(source: &str) -> Result<Vec<EntryPoint>, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(source))?;
    let mut entries = Vec::new();
    for (at, point) in module.entry_points.iter().enumerate() {
        let uses = info.get_entry_point(at);
        let mut entry = EntryPoint {
            name: point.name.clone(),
            workgroup: point.workgroup_size,
            bindings: Vec::new(),
            params: None,
            part: None,
            clock: false,
        };
        for (handle, variable) in module.global_variables.iter() {
            let (Some(place), false) = (variable.binding, uses[handle].is_empty()) else { continue };
            let name = variable.name.clone().unwrap_or_default();
            match (variable.space, place.group) {
                (AddressSpace::Storage { access }, 0) => {
                    let writes = access.contains(StorageAccess::STORE);
                    entry.bindings.push(Binding { name, index: place.binding, writes });
                }
                (AddressSpace::Uniform, 0) if name == "params" => {
                    entry.params = Some(params(&module, variable.ty, place.binding)?);
                }
                (AddressSpace::Uniform, 0) if name == parts::NAME => entry.part = Some(place.binding),
                (AddressSpace::Uniform, 1) if name == "clock" => entry.clock = true,
                (space, group) => return Err(format!("`{name}` is in {space:?}, group {group}: not a known binding")),
            }
        }
        entry.bindings.sort_by_key(|b| b.index);
        entries.push(entry);
    }
    Ok(entries)
}

fn params(module: &naga::Module, ty: naga::Handle<naga::Type>, index: u32) -> Result<Params, String> {
    let TypeInner::Struct { members, span } = &module.types[ty].inner else {
        return Err("`params` is no structure".into());
    };
    let mut fields = Vec::new();
    for member in members {
        let name = member.name.clone().unwrap_or_default();
        match module.types[member.ty].inner {
            // A vector would leave room behind itself that a scalar then fills: offsets nobody expects.
            TypeInner::Scalar(scalar) if scalar.width == 4 => fields.push((name, member.offset)),
            _ => return Err(format!("the parameter `{name}` is no 32-bit scalar")),
        }
    }
    Ok(Params { index, size: *span, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
        struct Params { count: u32, factor: f32 }
        struct Clock { step: u32 }
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @group(0) @binding(2) var<uniform> params: Params;
        @group(1) @binding(0) var<uniform> clock: Clock;
        @compute @workgroup_size(64) fn a(@builtin(global_invocation_id) id: vec3u) { y[id.x] = params.factor * x[id.x]; }
        @compute @workgroup_size(8, 8) fn b() { y[0] = f32(clock.step); }";

    #[test]
    fn an_entry_point_has_what_it_uses() {
        let entries = reflect(TEXT).unwrap();
        assert_eq!(
            entries[0].bindings.iter().map(|b| (&*b.name, b.writes)).collect::<Vec<_>>(),
            [("x", false), ("y", true)]
        );
        assert_eq!(entries[0].params.as_ref().unwrap().fields, [("count".to_string(), 0), ("factor".to_string(), 4)]);
        assert!(entries[1].clock && entries[1].params.is_none() && entries[1].workgroup == [8, 8, 1]);
    }

    #[test]
    fn a_vector_parameter_is_refused() {
        let text = TEXT.replace("factor: f32", "factor: f32, size: vec2u");
        assert!(reflect(&text).unwrap_err().contains("`size`"));
    }
}

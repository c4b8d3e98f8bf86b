"""`python make_schema.py`: what ONNX and ONNX Runtime define of operators -> src/model/schema/operators.txt.

In: the schemas of the installed onnx and, of com.microsoft, onnxruntime. Out: one line a version of an operator in which
something that is checked differs: `name since types inputs outputs attributes`. `types` are the sets of element types,
one letter each (`chr(64 + number)`; `#` is all that is no tensor), split by `/`; inputs and outputs name a set each by a letter (`a` the
first), after `?` where optional, `*` where it repeats, `~` where it repeats with other types, `0` where it may repeat never;
attributes are a name and a letter for its type, after `!` where required."""
import os
import re

import onnx
import onnxruntime.capi.onnxruntime_pybind11_state as state

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "..", "..", "..", "src", "model", "schema", "operators.txt")
OURS = os.path.join(HERE, "..", "..", "..", "src", "model", "ops", "mod.rs")
KINDS = {"INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "y", "TYPE_PROTO": "p",
         "INTS": "I", "FLOATS": "F", "STRINGS": "S", "TENSORS": "T", "GRAPHS": "G"}
NAMES = {"float": "FLOAT"}


def letters(types):
    made = set()
    for text in types:
        inner = re.fullmatch(r"tensor\((\w+)\)", text)
        name = inner and NAMES.get(inner[1], inner[1].upper())
        made.add(chr(64 + onnx.TensorProto.DataType.Value(name)) if name else "#")
    return "".join(sorted(made))


def field(of, *names):
    return next(getattr(of, n) for n in names if hasattr(of, n))


def line(schema):
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    sets, at = [], {}

    def formal(x):
        name = field(x, "type_str", "typeStr")
        if name not in at:
            at[name] = chr(97 + len(sets))
            sets.append(letters(allowed.get(name, [name])))
        option = str(x.option).rsplit(".", 1)[-1]
        same = field(x, "is_homogeneous", "isHomogeneous")
        mark = {"Single": "", "Optional": "?", "Variadic": "*" if same else "~"}[option]
        # What ONNX Runtime does not tell is one.
        return mark + ("0" if option == "Variadic" and getattr(x, "min_arity", 1) == 0 else "") + at[name]

    sides = [",".join(formal(x) for x in side) or "-" for side in (schema.inputs, schema.outputs)]
    attributes = [("!" if a.required else "") + n + ":" + KINDS[str(field(a, "type")).rsplit(".", 1)[-1]]
                  for n, a in sorted(schema.attributes.items())]
    return " ".join(["/".join(sets) or "-", *sides, ",".join(attributes) or "-"])


def microsoft():
    """The names that the engine has in ONNX Runtime's own domain."""
    with open(OURS) as file:
        text = file.read()
    rows = set(re.findall(r'\(MICROSOFT, "(\w+)"', text))
    listed = re.search(r"\(MICROSOFT, &\[(.*?)\]\)", text, re.S)
    return rows | set(re.findall(r'"(\w+)"', listed[1])) | {"DynamicQuantizeLSTM", "QEmbedLayerNormalization"}


def main():
    wanted = microsoft()
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain in ("", "ai.onnx.ml") and not s.deprecated]
    schemas += [s for s in state.get_all_operator_schema() if s.domain == "com.microsoft" and s.name in wanted]
    schemas.sort(key=lambda s: (s.domain, s.name, s.since_version))
    out, before = [], None
    for schema in schemas:
        told = line(schema)
        if before and before[:2] == (schema.domain, schema.name) and before[2] == told:
            continue
        if before is None or before[0] != schema.domain:
            out.append(f"@{schema.domain or 'ai.onnx'}")
        out.append(f"{schema.name} {schema.since_version} {told}")
        before = (schema.domain, schema.name, told)
    with open(TABLE, "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()

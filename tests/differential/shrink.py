"""A model that fails -> a smaller one that fails the same way.

In: a model, its feeds and a judge. Out: the smallest found. Nodes are cut away from behind (an earlier value is the
output) and from before (a value becomes an input or a constant), for as long as that helps."""
import numpy as np
import onnx
from onnx import helper, numpy_helper

from graph import Value, build, reference


def parts(proto):
    graph = proto.graph
    opset = next(o.version for o in proto.opset_import if o.domain == "")
    return list(graph.node), {t.name: numpy_helper.to_array(t) for t in graph.initializer}, opset


def values(proto, feeds):
    """Every value of the main graph by name."""
    open_ = onnx.ModelProto()
    open_.CopyFrom(proto)
    del open_.graph.output[:]
    names = [o for n in proto.graph.node for o in n.output if o]
    open_.graph.output.extend(helper.make_empty_tensor_value_info(n) for n in names)
    return reference(open_, feeds)


def shrink(proto, feeds, judge, budget=150):
    kind = judge(proto, feeds)[0]
    nodes, initializers, opset = parts(proto)
    known = values(proto, feeds)
    outputs = [o.name for o in proto.graph.output]
    state = (nodes, initializers, dict(feeds), outputs)
    best = (proto, feeds)

    def attempt(state):
        nonlocal best, budget
        if budget <= 0:
            return False
        budget -= 1
        nodes, initializers, inputs, outputs = state
        try:
            candidate = build(nodes, initializers, inputs, [Value(o, known[o]) for o in outputs], opset)
            verdict = judge(*candidate)
        except Exception:
            return False
        if verdict is None or verdict[0] != kind:
            return False
        best = candidate
        return True

    def kept():
        nodes, initializers, _ = parts(best[0])
        return nodes, initializers, best[1], [o.name for o in best[0].graph.output]

    # One output, as early as possible.
    order = [o for n in nodes for o in n.output if o and o in known]
    for name in order:
        if attempt((*state[:3], [name])):
            break
    else:
        for name in outputs:
            if attempt((*state[:3], [name])):
                break
    changed = True
    while changed and budget > 0:
        changed = False
        nodes, initializers, inputs, outputs = kept()
        for at in range(len(nodes)):
            made = [o for o in nodes[at].output if o]
            if any(o in outputs for o in made) or any(o not in known for o in made):
                continue
            rest = nodes[:at] + nodes[at + 1:]
            cut = {o: known[o] for o in made}
            if nodes[at].op_type == "Constant":
                cuts = [({**initializers, **cut}, inputs)]
            else:
                cuts = [(initializers, {**inputs, **cut}), ({**initializers, **cut}, inputs)]
            if any(attempt((rest, i, f, outputs)) for i, f in cuts):
                changed = True
                break
    # Inputs that may as well be constants are simpler to read.
    return best


def text(proto, feeds):
    """The model as people read it, large tensors left out."""
    lines = [f"opset {next(o.version for o in proto.opset_import if o.domain == '')}"]
    lines += [f"  {n}: input {a.dtype}{list(a.shape)}" + (f" = {a.tolist()}" if a.size <= 8 else "") for n, a in feeds.items()]
    for t in proto.graph.initializer:
        a = numpy_helper.to_array(t)
        lines.append(f"  {t.name}: constant {a.dtype}{list(a.shape)}" + (f" = {a.tolist()}" if a.size <= 8 else ""))
    for n in proto.graph.node:
        attributes = {a.name: "<graph>" if a.HasField("g") else np.asarray(helper.get_attribute_value(a)).tolist() if a.type not in (4,) else numpy_helper.to_array(a.t).tolist() for a in n.attribute}
        lines.append(f"  {', '.join(n.output)} = {n.op_type}({', '.join(n.input)}) {attributes or ''}")
        for a in n.attribute:
            if a.HasField("g"):
                lines.append(f"      {a.name}: " + "; ".join(f"{', '.join(m.output)} = {m.op_type}({', '.join(m.input)})" for m in a.g.node))
    return "\n".join(lines + [f"  -> {', '.join(o.name for o in proto.graph.output)}"])

"""Makes images.json: files of every format that ImageDecoder names: `python make_images.py` (needs numpy, onnx and
pillow, whose pixels are the wanted ones, as they are those of ONNX's own tests)."""
import io

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from case import elements, encoded, write

CASES = []
# A decoder may round a cosine transform another way.
JPEG = 2
WITHOUT = "images are not decoded in this build"


def picture(height=9, width=13):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 19 % 256, y * 27 % 256, (x * y * 3 + 40) % 256], 2).astype(np.uint8)


def model(pixel_format):
    node = helper.make_node("ImageDecoder", ["file"], ["pixels"], **({"pixel_format": pixel_format} if pixel_format else {}))
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("file", TensorProto.UINT8, ["bytes"])],
                              [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["height", "width", "channels"])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="")


def case(name, data, wanted, pixel_format=None, atol=0, wasm=None):
    entry = {"name": name, "model": encoded(model(pixel_format)), "inputs": {"file": elements(np.frombuffer(data, np.uint8))},
             "outputs": {"pixels": elements(np.asarray(wanted, np.uint8))}, "rtol": 0.0, "atol": atol}
    CASES.append(entry | ({"wasm": wasm} if wasm else {}))


def file(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def formats():
    whole = Image.fromarray(picture())
    for kind, options, atol, wasm in (("BMP", {}, 0, None), ("PNG", {}, 0, None), ("PPM", {}, 0, None), ("WebP", {"lossless": True}, 0, None),
                                      ("TIFF", {}, 0, WITHOUT), ("TIFF", {"compression": "tiff_lzw"}, 0, WITHOUT), ("JPEG2000", {}, 0, WITHOUT),
                                      ("JPEG", {"quality": 90, "subsampling": 0}, JPEG, None), ("JPEG", {"quality": 90}, JPEG, None),
                                      ("JPEG", {"quality": 70, "progressive": True}, JPEG, None)):
        data = file(whole, kind, **options)
        decoded = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        words = "_".join([kind, *(f"{k}_{v}" for k, v in options.items())])
        case(words, data, decoded, atol=atol, wasm=wasm)
    png = file(whole, "PNG")
    case("PNG_BGR", png, picture()[..., ::-1], "BGR")
    case("PNG_Grayscale", png, np.asarray(whole.convert("L"))[..., None], "Grayscale")
    jpeg = file(whole.convert("L"), "JPEG", quality=90)
    grey = np.asarray(Image.open(io.BytesIO(jpeg)))
    case("JPEG_of_grey", jpeg, np.stack([grey] * 3, 2), atol=JPEG)
    case("JPEG_of_grey_Grayscale", jpeg, grey[..., None], "Grayscale", atol=JPEG)


def samples():
    rgb = picture()
    alpha = np.dstack([rgb, np.arange(rgb.shape[0] * rgb.shape[1], dtype=np.uint8).reshape(rgb.shape[:2])])
    case("PNG_with_alpha", file(Image.fromarray(alpha), "PNG"), rgb)
    few = Image.fromarray(rgb).quantize(16)
    case("PNG_of_a_palette", file(few, "PNG"), np.asarray(few.convert("RGB")))
    case("BMP_of_a_palette", file(few, "BMP"), np.asarray(few.convert("RGB")))
    bits = Image.fromarray(rgb).convert("1")
    case("PNG_of_bits", file(bits, "PNG"), np.asarray(bits.convert("RGB")))
    case("PBM", file(bits, "PPM"), np.asarray(bits.convert("RGB")))
    grey = Image.fromarray(rgb).convert("L")
    case("PGM_Grayscale", file(grey, "PPM"), np.asarray(grey)[..., None], "Grayscale")
    deep = (np.arange(117, dtype=np.uint16).reshape(9, 13) * 500)
    case("PNG_of_16_bits_Grayscale", file(Image.fromarray(deep), "PNG"), (deep >> 8)[..., None], "Grayscale")


def damaged():
    """What cannot be decoded is an empty matrix."""
    png = file(Image.fromarray(picture()), "PNG")
    for name, data in (("no_image", b"This is no image at all."), ("nothing", b""), ("cut_off", png[:60]), ("only_a_start", png[:8])):
        case(name, data, np.zeros((0, 0, 3)))
    case("no_image_Grayscale", b"text", np.zeros((0, 0, 1)), "Grayscale")
    # A header that promises 4 billion pixels.
    huge = b"P6\n65000 65000\n255\n" + bytes(30)
    entry = {"name": "too_large", "model": encoded(model(None)), "inputs": {"file": elements(np.frombuffer(huge, np.uint8))}, "error": "is over the limit"}
    CASES.append(entry)
    entry = {"name": "pixel_format", "model": encoded(model("CMYK")), "inputs": {"file": elements(np.frombuffer(png, np.uint8))}, "error": "pixel_format"}
    CASES.append(entry)


formats()
samples()
damaged()
write("images", CASES)

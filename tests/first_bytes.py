"""How pictures begin that no test can write."""

# Name -> kind, and the first bytes.
HEADS = {
    "iphone.heic": ("HEIF", b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHBheicMiHE"),
    "burst.heif": ("HEIF", b"\0\0\0\x18ftypmif1\0\0\0\0mif1msf1"),
    "in-general.avif": ("AVIF", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"),
    "container.jxl": ("JXL", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl "),
    "bare.jxl": ("JXL", b"\xff\x0a\x7a\x1f\x08\x90"),
    "a.cr2": ("RAW", b"II*\0\x10\0\0\0CR\2\0"),
    "a.cr3": ("RAW", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
    "a.raf": ("RAW", b"FUJIFILMCCD-RAW 0201"),
    "a.orf": ("RAW", b"IIRO\x08\0\0\0"),
    "a.rw2": ("RAW", b"IIU\0\x08\0\0\0"),
    "a.psd": ("PSD", b"8BPS\0\1\0\0"),
}

package lock

// Download is a file or container image that a pallet downloads without giving a checksum, pinned by its SHA-256.
type Download struct {
	Type   string // of the export's source, such as http
	URL    string
	SHA256 string // of the file, or of the image's manifest, in hexadecimal
}

// String returns the type and the URL of the download.
func (d Download) String() string { return "download " + d.Type + " " + d.URL }

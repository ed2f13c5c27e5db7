package lock

// Download is a file or an image that a pallet downloads and does not pin by a checksum.
type Download struct {
	Type   string // of the export's source, such as http
	URL    string
	SHA256 string // of the file, or of the image's manifest, in hexadecimal
}

// String names the download.
func (d Download) String() string { return "download " + d.Type + " " + d.URL }

// Package mjpeg writes Motion JPEG over HTTP: an answer that never ends, of which each part is a JPEG picture.
package mjpeg

import (
	"fmt"
	"net/http"
	"time"
)

// boundary separates the parts. Clients of the PlanktoScope's first software expect this one.
const boundary = "FRAME"

// stall is how long a client may take for a picture.
const stall = 10 * time.Second

// Begin sends the headers of a Motion JPEG stream, which pages of any origin may show and no cache stores.
func Begin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("Pragma", "no-cache")
	h.Set("Age", "0")
}

// Write sends the next picture of a Motion JPEG stream. It fails if the client is gone or does not receive the picture
// within 10 seconds.
func Write(w http.ResponseWriter, jpeg []byte) error {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(stall)) // a writer without deadlines blocks
	if _, err := fmt.Fprintf(w, "--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", boundary, len(jpeg)); err != nil {
		return err
	}
	if _, err := w.Write(append(jpeg[:len(jpeg):len(jpeg)], "\r\n"...)); err != nil {
		return err
	}
	return c.Flush()
}

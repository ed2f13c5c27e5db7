package qemu

import (
	"io"
	"regexp"
	"strings"
	"sync"
)

const (
	tailLines      = 25   // how much of the console an error quotes
	maxConsoleLine = 4096 // bytes; what moves the cursor about may never end a line
)

// terminalCodes are the escape sequences of ECMA-48, but for those that carry a text.
var terminalCodes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|[@-Z\\\\-_]|[0-9])")

// console takes what the machine's serial port says.
type console struct {
	mu    sync.Mutex
	out   io.Writer         // all of it goes there
	alive func()            // called at every output
	fatal func(line string) // called with a line after which nothing good comes
	line  []byte            // the last, not yet complete
	last  []string
}

// fatalWords are in lines after which the machine does not go on by itself.
func fatalWords() []string {
	return []string{
		"Kernel panic - not syncing",
		"pkinit: rebooting",
		"You are in emergency mode",
		"You are in rescue mode",
		"Failed to start " + probeUnit,
	}
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive()
	for _, b := range p {
		if b != '\n' {
			c.line = append(c.line, b)
		}
		if b == '\n' || len(c.line) == maxConsoleLine {
			c.complete()
		}
	}
	return c.out.Write(p)
}

func (c *console) complete() {
	line := clean(string(c.line))
	c.line = c.line[:0]
	if line == "" {
		return
	}
	c.last = append(c.last, line)
	if n := len(c.last); n > tailLines {
		c.last = c.last[n-tailLines:]
	}
	for _, words := range fatalWords() {
		if strings.Contains(line, words) {
			c.fatal(line)
		}
	}
}

// tail is the last lines.
func (c *console) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.last
	if line := clean(string(c.line)); line != "" {
		last = append(last[:len(last):len(last)], line)
	}
	return strings.Join(last, "\n")
}

// clean drops what only a terminal understands.
func clean(line string) string {
	line = terminalCodes.ReplaceAllString(line, "")
	line = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' {
			return -1
		}
		return r
	}, line)
	return strings.TrimSpace(line)
}

package main

import (
	"fmt"
	"strconv"
)

// megabytes is a flag for a number of bytes, in MB of 2^20 bytes.
type megabytes int64

func (m *megabytes) String() string { return strconv.FormatInt(int64(*m)>>20, 10) }

// Type returns "MB", which stands for the value in help texts.
func (m *megabytes) Type() string { return "MB" }

// Set parses a positive whole number of MB, each of 2^20 bytes. It fails for any other text.
func (m *megabytes) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a positive number of MB", text)
	}
	*m = megabytes(n << 20)
	return nil
}

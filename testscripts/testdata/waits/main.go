// Command main is the only file of a container image: it waits for ever, and main healthy is its health check.
package main

import (
	"os"
	"slices"
	"time"
)

func main() {
	if slices.Equal(os.Args[1:], []string{"healthy"}) {
		os.Exit(0)
	}
	for {
		time.Sleep(time.Hour)
	}
}

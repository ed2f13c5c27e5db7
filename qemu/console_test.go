package qemu

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func testConsole() (c *console, out *bytes.Buffer, fatals *[]string) {
	out, fatals = &bytes.Buffer{}, &[]string{}
	return &console{out: out, onLine: func(line string) {
		if fatal(line) {
			*fatals = append(*fatals, line)
		}
	}}, out, fatals
}

func TestConsoleFatal(t *testing.T) {
	tests := map[string][]string{
		"[    1.0] Linux version 6.12\r\n": {},
		"[    5.9] Kernel panic - not syncing: Attempted to kill init!\r\n": {
			"[    5.9] Kernel panic - not syncing: Attempted to kill init!",
		},
		"pkinit: rebooting in 10 seconds\r\n": {"pkinit: rebooting in 10 seconds"},
		"pkinit: version 1\r\n":               {},
		"You are in emergency mode. After logging in\r\n": {
			"You are in emergency mode. After logging in",
		},
		"You are in \x1b[1mrescue mode\x1b[0m!\n":        {"You are in rescue mode!"},
		"Kernel panic - not syncing: an incomplete line": {},
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			c, out, fatals := testConsole()
			for i := range text { // byte by byte, as a serial port
				n, err := c.Write([]byte(text[i : i+1]))
				require.NoError(t, err)
				require.Equal(t, 1, n)
			}
			require.Equal(t, want, *fatals)
			require.Equal(t, text, out.String())
		})
	}
}

func TestConsoleTail(t *testing.T) {
	c, _, _ := testConsole()
	for i := range 100 {
		fmt.Fprintf(c, "line %d\r\n\r\n", i)
	}
	fmt.Fprint(c, "scratch \x1b[0;32mlogin: ")
	lines := strings.Split(c.tail(), "\n")
	require.Len(t, lines, tailLines+1)
	require.Equal(t, "line 75", lines[0])
	require.Equal(t, "scratch login:", lines[tailLines])
	require.Equal(t, c.tail(), c.tail())
}

func TestConsoleWithoutLines(t *testing.T) {
	c, out, _ := testConsole()
	text := strings.Repeat("x", 3*maxConsoleLine+1)
	fmt.Fprint(c, text)
	require.Len(t, c.last, 3)
	require.Equal(t, []byte("x"), c.line)
	require.Equal(t, text, out.String())
}

// Replies of the agent on a serial port are in the log, and not in an error.
func TestConsoleRecords(t *testing.T) {
	c, out, _ := testConsole()
	text := "before\x1e{\"output\":\"" + strings.Repeat("x", 2*maxConsoleLine) + "\"}\nafter\n"
	fmt.Fprint(c, text)
	require.Equal(t, "before\nafter", c.tail())
	require.Equal(t, text, out.String())
}

func TestClean(t *testing.T) {
	tests := map[string]string{
		"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m": "[  OK  ] Started ssh.service",
		"\x1b[!p\x1b]104\a\x1b[?7hWelcome":                                 "104Welcome",
		"\x1b7\x1b8\x1bMup":                                                "up",
		"a\tb \r":                                                          "a\tb",
		"":                                                                 "",
	}
	for line, want := range tests {
		require.Equal(t, want, clean(line))
	}
}

func TestHalted(t *testing.T) {
	require.True(t, halted("[   99.1] reboot: Power down"))
	require.True(t, halted("[   99.1] Reboot failed -- System halted"))
	require.True(t, halted("[   99.1] reboot: Power off not available: System halted instead"))
	require.False(t, halted("[   99.1] reboot: Restarting system"))
}

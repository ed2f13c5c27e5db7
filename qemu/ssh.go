package qemu

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Patience with the SSH server. QEMU accepts connections for a guest that does not listen, so that one is open means
// nothing.
const (
	sshWait  = 90 * time.Second // in all: a system has started before its network has
	sshOnce  = 10 * time.Second // for one greeting, of an emulated machine that has other things to do
	sshPause = 500 * time.Millisecond
)

// sshGreeting is the first line that an SSH server says (RFC 4253, 4.2).
func sshGreeting(ctx context.Context, addr *net.TCPAddr) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sshWait)
	defer cancel()
	for {
		greeting, err := sshOnceGreeting(ctx, addr)
		if err == nil {
			return greeting, nil
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(sshPause):
		}
	}
}

func sshOnceGreeting(ctx context.Context, addr *net.TCPAddr) (string, error) {
	dialer := net.Dialer{Timeout: sshOnce}
	conn, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(sshOnce)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 255)).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("no greeting: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, "SSH-2.0-") {
		return "", fmt.Errorf("port 22 greets with %q", line)
	}
	return line, nil
}

// freePort is a port of the loopback interface on which nothing listens at the moment.
func freePort() (*net.TCPAddr, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr), nil
}

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

// Timeouts of the SSH server. QEMU accepts connections for a guest that does not listen, so only a greeting proves a
// server.
const (
	sshWait  = 90 * time.Second // in all: the network may come up after the system has started
	sshOnce  = 10 * time.Second // for one greeting, from a slow emulated machine
	sshPause = 500 * time.Millisecond
)

// dialer connects to a server.
type dialer func(ctx context.Context) (net.Conn, error)

func dialTCP(addr *net.TCPAddr) dialer {
	return func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: sshOnce}).DialContext(ctx, "tcp", addr.String())
	}
}

// sshGreeting returns the first line of an SSH server (RFC 4253, 4.2), which it requests until there is one.
func sshGreeting(ctx context.Context, dial dialer) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sshWait)
	defer cancel()
	for {
		greeting, err := sshOnceGreeting(ctx, dial)
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

func sshOnceGreeting(ctx context.Context, dial dialer) (string, error) {
	conn, err := dial(ctx)
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
		return "", fmt.Errorf("read greeting of the SSH server: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, "SSH-2.0-") {
		return "", fmt.Errorf("greeting on port 22 is %q, want SSH-2.0-", line)
	}
	return line, nil
}

// freePort returns a TCP port of the loopback interface on which nothing listens at the moment.
func freePort() (*net.TCPAddr, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr), nil
}

package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// listenFDs shows socket activation as sd_listen_fds(3) would find it.
func listenFDs([]string) {
	fmt.Printf("LISTEN_FDS=%s LISTEN_PID=%s pid=%d\n", os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getpid())
	for i := range decimal(os.Getenv("LISTEN_FDS")) {
		listening, err := unix.GetsockoptInt(3+i, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err != nil {
			fmt.Println(3+i, errnoName(err))
			continue
		}
		fmt.Println(3+i, "listening:", listening == 1)
	}
}

// notify says READY=1 to $NOTIFY_SOCKET and then sleeps.
func notify([]string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		die("NOTIFY_SOCKET is not set")
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		failed(err)
	}
	for _, text := range []string{"STATUS=starting\n", "READY=1\nSTATUS=up\n"} {
		if _, err := conn.Write([]byte(text)); err != nil {
			failed(err)
		}
	}
	sleep(nil)
}

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// tty prints "size ROWS COLS" now and at every SIGWINCH, and echoes lines as "line TEXT" until it reads "quit".
func tty([]string) {
	winch := make(chan os.Signal, 8)
	signal.Notify(winch, unix.SIGWINCH)
	input := make(chan string)
	go func() {
		defer close(input)
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			input <- in.Text()
		}
	}()
	printSize()
	for {
		select {
		case <-winch:
			printSize()
		case line, ok := <-input:
			if !ok || line == "quit" {
				return
			}
			fmt.Println("line", line)
		}
	}
}

func printSize() {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fmt.Println("size", errnoName(err))
		return
	}
	fmt.Println("size", size.Row, size.Col)
}

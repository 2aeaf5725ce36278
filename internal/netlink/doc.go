// Package netlink is as much of rtnetlink(7) as it takes to move a network device to another network namespace and to have it
// there as it was: links, addresses and routes, of which those attributes are kept as bytes that nobody here has to understand.
//
// It is not the usual library, which brings the package net along, costs every start of the program its tables, and forgets
// attributes of addresses that it has no field for.
package netlink

// This file has no code. Its presence lets fork.go declare functions without a body.

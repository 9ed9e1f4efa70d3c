// says: Cannot find package 'a-package-that-nobody-installed'
// @ts-nocheck
import express from 'a-package-that-nobody-installed'

express().listen(process.env.PORT)

// The native tests' operators and graphs on the package in Node.
import { defineOperatorTests } from '../lib/operator-cases.mjs';

defineOperatorTests();

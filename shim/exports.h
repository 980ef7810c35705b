#include "shim/entries.h"
#define X(symbol, call) symbol;
#define A(name, symbol) name;
#define O(symbol) symbol;
{ global: FBX_SHIM_ENTRY_POINTS(X, A, O) local: *; };

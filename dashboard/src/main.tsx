/** Starts the page. */
import { render } from "preact";
import { App } from "./app";
import { start } from "./live";

const page = document.getElementById("page");
if (page === null) throw new Error("index.html has the element #page");
start();
render(<App />, page);
